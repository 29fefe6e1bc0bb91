from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from schemas.rollouts import (
    FeedbackAction,
    Guardrails,
    ObservationKind,
    Rollout,
    RolloutPhase,
    SearchFeedback,
    SearchObservation,
)
from workers.guardrails import Observed, overlap_at_10, rank_correlation

ROLLOUT = Rollout(
    "v2", "v1", RolloutPhase.RAMP, [], 0, 1000, guardrails=Guardrails(least_samples=20, least_overlap=0.1)
)
GOOD = {
    kind: SearchObservation("v2", kind, 2000, failed=False, hits=10, elapsed_ms=10.0)
    for kind in (ObservationKind.LIVE, ObservationKind.CANDIDATE)
} | {
    ObservationKind.COMPARED: SearchObservation(
        "v2", ObservationKind.COMPARED, 2000, failed=False, hits=10, elapsed_ms=10.0, live_ms=10.0, overlap=0.6
    )
}


def observed(count=20, **changed):
    """`count` good observations of each kind; those of the kinds named are changed."""
    seen = Observed(ROLLOUT)
    for _ in range(count):
        for kind, one in GOOD.items():
            seen.take(replace(one, **changed.get(kind.lower(), {})))
    return seen


def test_what_is_good_breaks_nothing():
    assert observed().broken() is None
    assert observed().figures()["overlap_at_10"] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"compared": {"overlap": 0.05}}, "overlap@10: 0.050 over 20 compared questions, least 0.1"),
        ({"compared": {"failed": True, "overlap": None}}, "errors: 100.0% of 20 compared questions, most 2.0%"),
        ({"compared": {"elapsed_ms": 41.0}}, "latency: p95 is 4.1 times the live model's, most 4"),
        ({"candidate": {"elapsed_ms": 41.0}}, "latency: p95 is 4.1 times the live model's, most 4"),
        ({"candidate": {"failed": True}}, "errors: 100.0% more than the live model, most 2.0%"),
        ({"candidate": {"hits": 0}}, "empty results: 100.0% more than the live model, most 5.0%"),
    ],
)
def test_each_guardrail_breaks_once_enough_was_seen(changed, said):
    assert observed(19, **changed).broken() is None
    assert observed(20, **changed).broken() == said


def test_what_is_as_bad_with_the_live_model_is_not_blamed_on_the_candidate():
    assert observed(live={"failed": True, "hits": 0}, candidate={"failed": True, "hits": 0}).broken() is None


def test_everybody_on_the_candidate_leaves_nothing_to_compare_with():
    seen = Observed(ROLLOUT)
    for _ in range(20):
        seen.take(replace(GOOD[ObservationKind.CANDIDATE], failed=True))
    assert seen.broken() == "errors: 100.0% more than the live model, most 2.0%"


def test_observations_of_others_and_from_before_count_nothing():
    seen = Observed(ROLLOUT)
    for _ in range(50):
        seen.take(replace(GOOD[ObservationKind.COMPARED], overlap=0.0, observed_at=999))
        seen.take(replace(GOOD[ObservationKind.COMPARED], overlap=0.0, candidate="v3"))
    assert seen.broken() is None
    assert seen.figures()["compared_samples"] == 0


def test_the_newest_observations_decide():
    seen = observed(500)
    for _ in range(500):
        seen.take(replace(GOOD[ObservationKind.COMPARED], overlap=0.0))
    assert seen.broken().startswith("overlap@10: 0.000")


def test_dismissals_are_held_against_the_live_models():
    seen = Observed(ROLLOUT)
    for number in range(20):
        act = FeedbackAction.DISMISS if number < 10 else FeedbackAction.VIEW
        seen.take_feedback(SearchFeedback("r", "p", "v2", act, 2000))
        seen.take_feedback(SearchFeedback("r", "p", "v1", FeedbackAction.CONNECT, 2000))
        seen.take_feedback(SearchFeedback("r", "p", "v9", FeedbackAction.DISMISS, 2000))
    assert seen.broken() == "feedback: 50.0% more dismissed than of the live model, most 10.0%"


def test_overlap_is_a_share_of_the_live_models_first_ten():
    assert overlap_at_10(["a", "b"], ["b", "c"]) == 0.5
    assert overlap_at_10([], []) == 1.0
    assert overlap_at_10(["a"], []) == 1.0
    assert overlap_at_10([], ["a"]) == 0.0
    assert overlap_at_10([f"x{n}" for n in range(10)] + ["a"], ["a"]) == 0.0


@given(st.permutations(range(6)))
def test_the_rank_correlation_is_kendalls(order):
    found, live = [str(n) for n in order], [str(n) for n in range(6)]
    wanted = kendalltau(range(6), [order.index(n) for n in range(6)]).statistic
    assert rank_correlation(found, live) == pytest.approx(wanted)
    assert rank_correlation(["a"], ["a"]) is None
