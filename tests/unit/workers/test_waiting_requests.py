from dataclasses import dataclass

from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from schemas.search_records import RecordPlace, SearchRequest
from workers.waiting_requests import WaitingRequests
from workers.watermark import holds

NOW = 1_000_000


@dataclass(frozen=True)
class Asked:
    message: Message
    request: SearchRequest


def asked(offset, partition=0, deadline_at=NOW + 5000):
    message = Message(topic="requests", partition=partition, offset=offset, value=b"")
    return Asked(message, SearchRequest("bread", deadline_at=deadline_at))


def places(messages):
    return [(message.partition(), message.offset()) for message in messages]


def test_the_offset_does_not_pass_a_request_that_waits():
    waiting, records = WaitingRequests(), [asked(n) for n in range(5)] + [asked(7, partition=1)]
    assert waiting.put(records[2], NOW)
    assert places(waiting.passed([one.message for one in records])) == [(0, 0), (0, 1), (1, 7)]
    assert waiting.due() == [records[2]]
    assert places(waiting.passed([records[2].message])) == [(0, 2), (0, 3), (0, 4)]


def test_a_request_that_goes_on_waiting_keeps_the_others():
    waiting, records = WaitingRequests(), [asked(n) for n in range(3)]
    assert waiting.put(records[1], NOW)
    assert places(waiting.passed([one.message for one in records])) == [(0, 0)]
    (again,) = waiting.due()
    assert waiting.put(again, NOW + 50)
    assert places(waiting.passed([again.message])) == []
    waiting.due()
    assert places(waiting.passed([again.message])) == [(0, 1), (0, 2)]


def test_nobody_waits_past_the_deadline_or_in_any_number():
    waiting = WaitingRequests()
    assert not waiting.put(asked(0, deadline_at=NOW + 100), NOW)
    assert not waiting.put(asked(0, deadline_at=None), NOW)
    assert all(waiting.put(asked(n), NOW) for n in range(1000))
    assert not waiting.put(asked(1000), NOW)
    assert len(waiting) == 1000


@given(st.lists(st.sets(st.integers(0, 19)), min_size=1, max_size=6))
def test_every_record_is_passed_once_and_in_order(rounds):
    """Twenty records; in each round those named wait on, the others are answered."""
    waiting, records = WaitingRequests(), [asked(n) for n in range(20)]
    looked, passed = records, []
    for still in rounds:
        for one in looked:
            if one.message.offset() in still:
                assert waiting.put(one, NOW)
        passed += places(waiting.passed([one.message for one in looked]))
        assert not {offset for _p, offset in passed} & {one.message.offset() for one in waiting._held}
        looked = waiting.due()
    passed += places(waiting.passed([one.message for one in looked]))
    assert passed == [(0, n) for n in range(20)]


def test_an_index_holds_what_its_watermark_reached_in_every_partition_named():
    watermark = [RecordPlace("changes", 0, 5), RecordPlace("changes", 1, 0)]
    assert holds(watermark, [])
    assert holds(watermark, [RecordPlace("changes", 0, 5), RecordPlace("changes", 1, 0)])
    assert not holds(watermark, [RecordPlace("changes", 0, 6)])
    assert not holds(watermark, [RecordPlace("changes", 2, 0)])
    assert not holds(watermark, [RecordPlace("backfill", 0, 1)])
    assert not holds([], [RecordPlace("changes", 0, 0)])
