from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from schemas.rollouts import Rollout, RolloutPhase
from schemas.search_records import SearchRequest
from workers.traffic_split import both_answer, candidate_answers, share_of

RAMP = Rollout("v2", "v1", RolloutPhase.RAMP, [], 0, 0, ramp_percent=25)


def by(requester, cohort=None):
    return SearchRequest("bread", requester=requester, cohort=cohort)


@given(st.text(max_size=20), st.integers(0, 100), st.integers(0, 100))
def test_whoever_is_in_stays_in_while_the_share_grows(who, one, other):
    small, large = sorted((one, other))
    if candidate_answers(replace(RAMP, ramp_percent=small), by(who)):
        assert candidate_answers(replace(RAMP, ramp_percent=large), by(who))


def test_the_share_is_the_share():
    answered = sum(candidate_answers(RAMP, by(f"member-{n}")) for n in range(4000))
    assert 0.22 < answered / 4000 < 0.28
    everybody = replace(RAMP, ramp_percent=100)
    assert all(candidate_answers(everybody, by(f"member-{n}")) for n in range(1000))
    nobody = replace(RAMP, ramp_percent=0)
    assert not any(candidate_answers(nobody, by(f"member-{n}")) for n in range(1000))


def test_another_rollout_takes_others_first():
    shares = [(share_of("v2", f"m{n}"), share_of("v3", f"m{n}")) for n in range(2000)]
    both = sum(first < 0.5 and second < 0.5 for first, second in shares)
    assert 400 < both < 600


def test_a_question_without_a_requester_keeps_its_model():
    asked = [SearchRequest(f"question {n}") for n in range(200)]
    first = [candidate_answers(RAMP, one) for one in asked]
    assert first == [candidate_answers(RAMP, one) for one in asked]
    assert len(set(first)) == 2


def test_cohorts_are_taken_in_and_left_out_whatever_the_share():
    one = replace(RAMP, ramp_percent=0, cohorts_in=["staff"], cohorts_out=["customers"])
    assert candidate_answers(one, by("m", "staff"))
    assert not candidate_answers(replace(one, ramp_percent=100), by("m", "customers"))
    assert not candidate_answers(one, by("m", "others"))


def test_only_a_ramp_answers_anybody():
    for phase in set(RolloutPhase) - {RolloutPhase.RAMP}:
        one = replace(RAMP, phase=phase, ramp_percent=100, cohorts_in=["staff"])
        assert not candidate_answers(one, by("m", "staff"))


def test_questions_are_compared_in_shadow_and_on_the_ramp_only():
    for phase in RolloutPhase:
        one = replace(RAMP, phase=phase, shadow_percent=10)
        compares = phase in {RolloutPhase.SHADOW, RolloutPhase.RAMP}
        assert both_answer(one, 0.05) is compares
        assert both_answer(one, 0.15) is False
