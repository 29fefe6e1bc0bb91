from hypothesis import given
from hypothesis import strategies as st

from schemas.records import Outcome, Receipt
from streams.audit import Accounts, Range, Wrong, compare_index


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


def test_missing_extra_and_other_versions_are_told_apart():
    known = [("a", 1, False), ("a", 3, False), ("b", 2, False), ("c", 5, False), ("d", 1, False), ("d", 2, True)]
    found = compare_index(known, [("a", 3), ("b", 1), ("d", 1), ("e", 9)], most=10)
    assert found.right == 1
    assert set(found.wrong) == {
        (Wrong.OLDER, "b", 1, 2),
        (Wrong.EXTRA, "d", 1, None),
        (Wrong.EXTRA, "e", 9, None),
        (Wrong.MISSING, "c", None, 5),
    }


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(0, 9), max_size=12))
def test_an_index_that_is_the_table_has_nothing_wrong(rows):
    found = compare_index([(i, v, False) for i, v in rows.items()], list(rows.items()), most=5)
    assert (found.right, sum(found.counts.values())) == (len(rows), 0)
