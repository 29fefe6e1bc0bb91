from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from workers.open_offsets import OpenOffsets


def record(offset, partition=0):
    return Message(topic="requests", partition=partition, offset=offset, value=b"")


def passed(offsets):
    return {message.partition(): message.offset() for message in offsets.passed()}


def test_the_offset_does_not_pass_a_record_that_is_not_done():
    offsets, records = OpenOffsets(), [record(n) for n in range(5)] + [record(7, partition=1)]
    for one in records:
        offsets.take(one)
    for one in (records[0], records[1], records[3], records[4], records[5]):
        offsets.done(one)
    assert passed(offsets) == {0: 1, 1: 7}
    assert passed(offsets) == {}
    offsets.done(records[2])
    assert passed(offsets) == {0: 4}


def test_a_partition_that_went_elsewhere_is_not_passed_by_what_was_left_of_it():
    offsets, old, new = OpenOffsets(), record(3), record(3)
    offsets.take(old)
    offsets.forget([0, 9])
    offsets.done(old)
    assert passed(offsets) == {}
    # It came back, and the record with it.
    offsets.take(new)
    assert passed(offsets) == {}
    offsets.done(new)
    assert passed(offsets) == {0: 3}


@given(st.permutations(range(12)), st.integers(1, 12))
def test_it_rises_to_the_last_record_whatever_is_done_first(order, look_every):
    offsets, reached, records = OpenOffsets(), [], [record(n) for n in range(12)]
    for one in records:
        offsets.take(one)
    done = set()
    for count, number in enumerate(order, start=1):
        offsets.done(records[number])
        done.add(number)
        if count % look_every == 0:
            reached += passed(offsets).values()
            assert all(set(range(last + 1)) <= done for last in reached)
    reached += passed(offsets).values()
    assert reached == sorted(set(reached))
    assert reached[-1] == 11
