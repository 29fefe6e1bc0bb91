"""Feedback joined with impressions: every piece of it in exactly one sum."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.rollouts import FeedbackAction, SearchFeedback
from schemas.search_records import SearchImpression, ShownHit
from streams.feedback_join import _Join
from streams.feedback_sums import LAST_POSITION, FeedbackSums, PositionSums
from streams.scratch import Scratch

VIEW, CONNECT, DISMISS = FeedbackAction.VIEW, FeedbackAction.CONNECT, FeedbackAction.DISMISS


def shown(request_id, *profile_ids, model="m1", mode="semantic", at=1000, offset=0):
    hits = [ShownHit(one, 1, 0.5) for one in profile_ids]
    return SearchImpression(request_id, at, "q", mode, model, "c", None, None, offset, hits, 1.0)


def told(request_id, profile_id, action=VIEW, model="m1"):
    return SearchFeedback(request_id, profile_id, model, action, 1000)


def joined(feedback, impressions, since_ms=0):
    sums = FeedbackSums()
    with Scratch() as scratch:
        join = _Join(scratch, sums, since_ms)
        for one in feedback:
            join.keep(one)
        for one in impressions:
            join.take(one)
    sums.without = join.left
    return sums


def test_counts_by_model_mode_and_action_and_click_through_by_rank():
    sums = joined(
        [told("r1", "b"), told("r1", "b", CONNECT), told("r2", "a", DISMISS), told("r3", "x", model="m2")],
        [shown("r1", "a", "b"), shown("r2", "a", "b"), shown("r3", "x", model="m2", mode="hybrid", offset=1)],
    )
    assert set(sums.groups) == {("m1", "semantic"), ("m2", "hybrid")}
    group = sums.groups["m1", "semantic"]
    assert (group.impressions, group.clicked) == (2, 1)
    assert group.actions == Counter({VIEW: 1, CONNECT: 1, DISMISS: 1})
    # Two clicks on one hit are one, and a dismissal is none.
    assert group.positions == {1: PositionSums(2, 0), 2: PositionSums(2, 1)}
    assert sums.positions() == {1: PositionSums(2, 0), 2: PositionSums(3, 2)}


def test_what_explains_no_impression_is_counted_apart():
    sums = joined([told("r1", "elsewhere"), told("gone", "a", DISMISS)], [shown("r1", "a")])
    assert sums.not_shown == Counter({VIEW: 1})
    assert sums.without == Counter({DISMISS: 1})
    assert sums.groups["m1", "semantic"].actions.total() == 0


def test_duplicates_count_once():
    sums = joined([told("r1", "a")] * 3 + [told("r1", "a", CONNECT)], [shown("r1", "a"), shown("r1", "a")])
    assert (sums.duplicates, sums.repeated) == (2, 1)
    assert sums.groups["m1", "semantic"].impressions == 1
    assert sums.groups["m1", "semantic"].actions == Counter({VIEW: 1, CONNECT: 1})


def test_the_model_is_the_impressions_and_another_one_is_noted():
    sums = joined([told("r1", "a", model="m2")], [shown("r1", "a")])
    assert sums.groups["m1", "semantic"].actions == Counter({VIEW: 1})
    assert sums.other_model == 1


def test_feedback_on_earlier_impressions_is_not_taken_for_feedback_on_none():
    sums = joined([told("old", "a"), told("new", "a")], [shown("new", "a", at=2000), shown("old", "a")], since_ms=1500)
    assert sums.earlier == Counter({VIEW: 1})
    assert sums.without.total() == 0
    assert sums.groups["m1", "semantic"].impressions == 1


def test_deep_ranks_are_counted_together():
    sums = joined([], [shown("r1", "a", "b", offset=LAST_POSITION + 50)])
    assert sums.positions() == {LAST_POSITION + 1: PositionSums(2, 0)}


@pytest.mark.parametrize("request_id", ["", "r\x00", "i", "f" * 5000])
def test_ids_of_any_form_are_kept_apart(request_id):
    sums = joined([told(request_id, "a"), told(request_id + "a", "")], [shown(request_id, "a")])
    assert sums.groups["m1", "semantic"].actions == Counter({VIEW: 1})
    assert sums.without.total() == 1


_IDS = st.sampled_from("abc")


@settings(max_examples=40)
@given(
    st.lists(st.tuples(_IDS, _IDS, st.sampled_from(FeedbackAction))),
    st.lists(st.tuples(_IDS, st.lists(_IDS, max_size=4), st.integers(0, 2))),
    st.integers(0, 2),
)
def test_every_piece_of_feedback_is_in_one_sum(feedback, impressions, since_ms):
    sums = joined(
        [told(*one) for one in feedback],
        [shown(request, *hits, at=at) for request, hits, at in impressions],
        since_ms,
    )
    taken = sum((group.actions for group in sums.groups.values()), Counter())
    parts = taken.total() + sums.without.total() + sums.earlier.total() + sums.not_shown.total()
    assert parts == len(set(feedback))
    assert sums.duplicates == len(feedback) - len(set(feedback))
    assert all(count >= 0 for count in sums.without.values())
    for position in sums.positions().values():
        assert 0 <= position.clicked <= position.shown
