"""Crashes at every step, told as stories: what hypothesis found once, and what it may find too seldom."""

import pytest

from tests.unit.streams.test_accounting_model import TwoLanes


def reindexed_then_deleted(state):
    state.change("a", 0, "Roofer", bulk=False)
    state.drain()
    state.reindex("a")
    state.tombstone("a")
    return (0, 1), (1, 0)


def repeated_then_overtaken(state):
    state.change("a", 1, "Roofer", bulk=False)
    state.drain()
    state.change("a", 1, "Roofer", bulk=False)
    state.change("a", 2, "Baker", bulk=True)
    return (1, 0), (0, 1)


def new_then_overtaken(state):
    state.change("a", 1, "Roofer", bulk=False)
    state.change("a", 2, "Baker", bulk=True)
    return (1, 0), (0, 1)


def refused_then_right(state):
    state.patch("a", 3, "Diver", bulk=False)
    state.change("a", 2, "Baker", bulk=True)
    return (1, 0), (0, 1)


def deleted_twice_then_cut_otherwise(state):
    state.tombstone("a")
    state.tombstone("a")
    state.change("a", 0, "Roofer", bulk=True)
    return (2, 0), (1, 1)


def changed_twice_then_cut_otherwise(state):
    state.change("a", 1, "Roofer", bulk=False)
    state.change("a", 2, "Baker", bulk=False)
    state.change("a", 5, "Roofer", bulk=True)
    return (2, 0), (1, 1)


def refused_then_cut_otherwise(state):
    state.change("a", 1, "Roofer", bulk=False)
    state.patch("b", 3, "Diver", bulk=False)
    state.change("b", 2, "Baker", bulk=True)
    return (2, 0), (1, 1)


STORIES = (
    reindexed_then_deleted,
    repeated_then_overtaken,
    new_then_overtaken,
    refused_then_right,
    deleted_twice_then_cut_otherwise,
    changed_twice_then_cut_otherwise,
    refused_then_cut_otherwise,
)


@pytest.mark.parametrize("lag", range(3))
@pytest.mark.parametrize("dies_after", range(16))
@pytest.mark.parametrize("story", STORIES)
def test_a_lane_that_overtakes_the_other_after_a_crash_changes_no_outcome(story, dies_after, lag):
    state = TwoLanes()
    sizes, then = story(state)
    state.crash(sizes, dies_after, lag, then)
    state.drain()
    state.no_record_changes_its_outcome()
