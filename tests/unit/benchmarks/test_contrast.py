import pickle

import pytest

from benchmarks.contrast_script import BAD, COUNTS, EVENTS, kind_of, script
from benchmarks.contrast_truth import Held, compare, truth
from kith.errors import InputError
from schemas.records import ProfileChange
from streams.topic_reader import Stored


def decode(value: bytes) -> ProfileChange:
    try:
        return pickle.loads(value)  # noqa: S301 - made two lines below
    except Exception as error:
        raise InputError("no change") from error


def headline(profile) -> str:
    return profile.headline


@pytest.fixture(scope="module")
def right():
    events = script(pickle.dumps, seed=1)
    return truth([Stored(0, offset, one.key or b"", one.value) for offset, one in enumerate(events)], decode, headline)


def test_the_script_has_as_many_events_as_it_says():
    assert len(script(pickle.dumps, seed=1)) == EVENTS


def test_the_truth_holds_every_kind_as_its_events_say(right):
    kinds = {kind: [held for who, held in right.held.items() if kind_of(who) == kind] for kind in COUNTS}
    there = {"new": 1, "updated": 3, "patched": 3, "back": 2, "doubled": 2, "late": 3}
    for kind, count in COUNTS.items():
        assert len(kinds[kind]) == (count if kind in there else 0), kind
        assert {held.version for held in kinds[kind]} == ({there[kind]} if kind in there else set())
    assert {held.text for held in kinds["patched"]} == {"Keeper of bees, version 3"}
    assert len(right.bad) == COUNTS[BAD]


def test_an_index_that_is_right_has_no_findings(right):
    assert compare(right, list(right.held.values()), right.bad, set()).none


def test_each_way_to_be_wrong_is_found(right):
    rows = {who: held for who, held in right.held.items() if who != "new-0"}
    rows["updated-0"] = Held("updated-0", 2, "older")
    rows["back-0"] = Held("back-0", 2, "right version, other text")
    rows["risen-0"] = Held("risen-0", 2, "should be gone")
    rows["bad-4"] = Held("bad-4", 1, "should never have been")
    first, _second, *others = sorted(right.bad)
    twice = [*rows.values(), rows["new-1"]]
    found = compare(right, twice, set(others), {first})
    assert (found.lost, found.stale, found.duplicated, found.resurrected, found.let_in) == (1, 2, 1, 1, 1)
    assert (found.swallowed, found.logged) == (2, 1)
    assert found.wrong == {"new": 2, "updated": 1, "back": 1, "risen": 1, "bad": 1}
    assert not found.none
