import pytest
import torch
from torch import nn

from distill.training.run import CHECKPOINT, RunPlan, TrainingRun
from kith.errors import InputError

PLAN = RunPlan("line", steps=12, seed=1, inputs=("data",))


class Stop(Exception):
    pass


def run(folder, plan=PLAN, stop_at=None, reports=None):
    torch.manual_seed(plan.seed)
    model = nn.Linear(2, 1)
    made = TrainingRun(plan, folder, model, [{"params": list(model.parameters()), "lr": 0.1}], checkpoint_every_s=0)

    def step(number, state):
        if number == stop_at:
            raise Stop
        state["seen"] = state.get("seen", 0) + 1
        batch = torch.arange(number, number + 2).float()
        return {"loss": (model(batch) - 1).square().mean()}

    made.run(step, (reports if reports is not None else []).append)
    return made, model


def test_an_interrupted_run_ends_as_if_it_had_not_been(tmp_path):
    _, whole = run(tmp_path / "whole")
    with pytest.raises(Stop):
        run(tmp_path / "cut", stop_at=7)
    _, resumed = run(tmp_path / "cut")
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_it_takes_up_where_it_stopped(tmp_path):
    with pytest.raises(Stop):
        run(tmp_path, stop_at=7)
    made, _ = run(tmp_path)
    assert made._state["seen"] == PLAN.steps


def test_progress_reaches_the_end(tmp_path):
    reports = []
    run(tmp_path, reports=reports)
    assert (reports[-1].step, reports[-1].left_s) == (PLAN.steps, 0)
    assert reports[-1].losses["loss"] >= 0


def test_the_checkpoint_goes_when_the_work_is_written(tmp_path):
    made, _ = run(tmp_path)
    assert (tmp_path / CHECKPOINT).exists()
    made.done()
    assert not (tmp_path / CHECKPOINT).exists()


def test_a_checkpoint_of_other_data_is_refused(tmp_path):
    with pytest.raises(Stop):
        run(tmp_path, stop_at=7)
    with pytest.raises(InputError, match="other settings or inputs"):
        run(tmp_path, RunPlan("line", steps=12, seed=1, inputs=("other data",)))


def test_a_damaged_checkpoint_is_named(tmp_path):
    (tmp_path / CHECKPOINT).write_bytes(b"cut off")
    with pytest.raises(InputError, match="is not a checkpoint"):
        run(tmp_path)


def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    model = nn.Linear(1, 1)
    made = TrainingRun(PLAN, tmp_path, model, [{"params": list(model.parameters()), "lr": 1.0}])
    with pytest.raises(InputError, match="not finite"):
        made.run(lambda _number, _state: {"loss": model(torch.tensor([float("nan")])).sum()}, lambda _: None)
