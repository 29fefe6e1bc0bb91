from hypothesis import given
from hypothesis import strategies as st

from schemas.records import Outcome, Receipt
from streams.accounts import Accounts, Range
from streams.index_check import Known, Wrong, WrongProfile, compare_index, still_wrong


def receipt(partition, offset, outcome, model="m", topic="changes"):
    return Receipt(topic, partition, offset, "p", 1, outcome, model, 1, 2)


def test_every_record_is_in_exactly_one_sum():
    accounts = Accounts("changes", {0: Range(10, 16), 1: Range(0, 0)}, "m")
    for one in (
        receipt(0, 10, Outcome.INDEXED),
        receipt(0, 10, Outcome.INDEXED),
        receipt(0, 11, Outcome.STALE),
        receipt(0, 12, Outcome.INDEXED),
        receipt(0, 12, Outcome.DELETED),
        receipt(0, 9, Outcome.INDEXED),
        receipt(0, 16, Outcome.INDEXED),
        receipt(0, 13, Outcome.INDEXED, model="other"),
        receipt(0, 14, Outcome.INDEXED, topic="other"),
        receipt(7, 1, Outcome.INDEXED),
    ):
        accounts.take(one)
    first, empty = accounts.sums()
    assert (first.outcomes[Outcome.INDEXED], first.outcomes[Outcome.STALE]) == (2, 1)
    assert (first.without, first.changed, first.repeated) == (3, 1, 1)
    assert sum(first.outcomes.values()) + first.without == 6
    assert (sum(empty.outcomes.values()), empty.without) == (0, 0)


def known(*states):
    return [Known(profile_id, version) for profile_id, version in states]


def test_missing_extra_and_other_versions_are_told_apart():
    states = known(("a", 1), ("a", 3), ("b", 2), ("c", 5), ("d", 1), ("d", None))
    found = compare_index(states, [("a", 3), ("b", 1), ("d", 1), ("e", 9)], most=10)
    assert found.right == 1
    assert {(w.kind, w.profile_id, w.found, w.known) for w in found.wrong} == {
        (Wrong.OLDER, "b", 1, 2),
        (Wrong.EXTRA, "d", 1, None),
        (Wrong.EXTRA, "e", 9, None),
        (Wrong.MISSING, "c", None, 5),
    }


def test_no_more_are_named_than_asked_for_and_all_are_counted():
    found = compare_index(known(*((f"p{i}", 1) for i in range(9))), [], most=4)
    assert (len(found.wrong), found.counts[Wrong.MISSING], found.all_named) == (4, 9, False)


def test_a_second_look_keeps_what_is_still_wrong_only():
    first = compare_index(known(("a", 1), ("b", 1), ("c", 1), ("d", 1)), [("c", 2), ("e", 1)], most=10)
    assert first.counts == {Wrong.MISSING: 3, Wrong.NEWER: 1, Wrong.EXTRA: 1}
    again = still_wrong(first, known(("c", 2), ("d", None)), {"a": 1, "c": 2, "e": 1})
    assert {(w.profile_id, w.kind) for w in again.wrong} == {("b", Wrong.MISSING), ("e", Wrong.EXTRA)}
    assert again.right == 2


def test_what_was_not_named_stays_counted_on_a_second_look():
    first = compare_index(known(*((f"p{i}", 1) for i in range(5))), [], most=2)
    named = {wrong.profile_id: 1 for wrong in first.wrong}
    again = still_wrong(first, [], named)
    assert (again.counts[Wrong.MISSING], again.wrong, again.right) == (3, [], 2)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(0, 9), max_size=12))
def test_an_index_that_is_the_table_has_nothing_wrong(rows):
    found = compare_index(known(*rows.items()), list(rows.items()), most=5)
    assert (found.right, found.counts.total()) == (len(rows), 0)


def test_kinds_of_wrong_profiles():
    kinds = [WrongProfile("p", *versions).kind for versions in ((None, 1), (1, None), (1, 2), (2, 1))]
    assert kinds == [Wrong.MISSING, Wrong.EXTRA, Wrong.OLDER, Wrong.NEWER]
