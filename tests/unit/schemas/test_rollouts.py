import pytest

from kith.errors import InputError
from schemas.rollouts import RUNNING, Rollout, RolloutPhase

STEPS = [
    RolloutPhase.FILLED,
    RolloutPhase.SHADOW,
    RolloutPhase.RAMP,
    RolloutPhase.PAUSED,
    RolloutPhase.RAMP,
    RolloutPhase.PROMOTED,
    RolloutPhase.RETIRED,
]


def at(phase):
    return Rollout("v2", "v1", phase, [], 0, 0)


def test_a_rollout_goes_from_filling_to_retired():
    one = at(RolloutPhase.FILLING)
    for number, step in enumerate(STEPS):
        one = one.moved(step, number)
        assert (one.phase, one.changed_at) == (step, number)
    assert not one.running


@pytest.mark.parametrize("phase", sorted(RUNNING))
def test_every_running_rollout_can_be_rolled_back(phase):
    assert at(phase).moved(RolloutPhase.ROLLED_BACK, 1).running is False


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (RolloutPhase.FILLING, RolloutPhase.SHADOW),
        (RolloutPhase.SHADOW, RolloutPhase.PROMOTED),
        (RolloutPhase.PAUSED, RolloutPhase.PROMOTED),
        (RolloutPhase.PROMOTED, RolloutPhase.RAMP),
        (RolloutPhase.ROLLED_BACK, RolloutPhase.RAMP),
        (RolloutPhase.RAMP, RolloutPhase.RETIRED),
        (RolloutPhase.RETIRED, RolloutPhase.ROLLED_BACK),
    ],
)
def test_what_may_not_follow_is_refused_with_both_names(before, after):
    with pytest.raises(InputError, match=f"v2 is {before}; {after} can follow"):
        at(before).moved(after, 1)


def test_indexers_run_for_what_is_not_retired():
    assert at(RolloutPhase.FILLING).kept_level == {"v1"}
    assert at(RolloutPhase.ROLLED_BACK).kept_level == {"v1", "v2"}
    assert at(RolloutPhase.PROMOTED).moved(RolloutPhase.RETIRED, 1, retired="v1").kept_level == {"v2"}
