"""A training run: steps from a seed, checkpoints that it resumes from, progress with rate and time left."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from kith.errors import InputError

CHECKPOINT = "checkpoint.pt"

CHECKPOINT_EVERY_S = 120.0
_REPORT_EVERY_S = 10.0
_WARM_UP_SHARE = 0.06
_LEAST_RATE = 0.05
_LONGEST_GRADIENT = 1.0


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What makes two runs the same. `name`: what is trained; `inputs`: hashes or names of all that goes in."""

    name: str
    steps: int
    seed: int
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. `losses`: means since the last report; `rate`: steps a second; `left_s`: seconds to go."""

    step: int
    steps: int
    rate: float
    left_s: float
    losses: dict[str, float]


class TrainingRun:
    """Runs steps, and takes up where an interrupted run of the same plan stopped.

    Args:
        folder: where the checkpoint lies while the run is not over.
        groups: parameter groups of AdamW, each with its own highest learning rate.
    """

    def __init__(
        self,
        plan: RunPlan,
        folder: Path,
        model: nn.Module,
        groups: Sequence[dict[str, Any]],
        checkpoint_every_s: float = CHECKPOINT_EVERY_S,
    ) -> None:
        self._plan = plan
        self._path = folder / CHECKPOINT
        self._checkpoint_every_s = checkpoint_every_s
        self._model = model
        self._optimizer = torch.optim.AdamW(list(groups), weight_decay=0.0)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, self._rate)
        self._state: dict[str, Any] = {}

    def run(
        self,
        step: Callable[[int, dict[str, Any]], dict[str, torch.Tensor]],
        report: Callable[[Progress], None],
    ) -> None:
        """Run the steps that are left.

        Args:
            step: takes the step's number and a state of plain values that is kept in checkpoints; gives losses, whose
                sum is minimised.

        Raises:
            InputError: the checkpoint is of another plan, or unreadable.
        """
        first = self._resume()
        begun = said = saved = time.monotonic()
        sums: dict[str, float] = {}
        counted = 0
        self._model.train()
        for number in range(first, self._plan.steps):
            for name, loss in self._one(step(number, self._state)).items():
                sums[name] = sums.get(name, 0.0) + loss
            counted += 1
            now = time.monotonic()
            if now - said > _REPORT_EVERY_S or number + 1 == self._plan.steps:
                rate = (number + 1 - first) / max(now - begun, 1e-9)
                losses = {name: total / counted for name, total in sums.items()}
                report(Progress(number + 1, self._plan.steps, rate, (self._plan.steps - number - 1) / rate, losses))
                said, sums, counted = now, {}, 0
            if now - saved >= self._checkpoint_every_s:
                self._save(number + 1)
                saved = now

    def done(self) -> None:
        """Remove the checkpoint: what it was for is written."""
        self._path.unlink(missing_ok=True)

    def _one(self, losses: dict[str, torch.Tensor]) -> dict[str, float]:
        total = torch.stack(list(losses.values())).sum()
        if not torch.isfinite(total):
            raise InputError("The loss is not finite.", "Lower the learning rate, or look at the encoder's weights.")
        self._optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._model.parameters(), _LONGEST_GRADIENT)
        self._optimizer.step()
        self._schedule.step()
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def _rate(self, step: int) -> float:
        warm_up = max(1, int(self._plan.steps * _WARM_UP_SHARE))
        if step < warm_up:
            return (step + 1) / warm_up
        done = (step - warm_up) / max(1, self._plan.steps - warm_up)
        return _LEAST_RATE + (1 - _LEAST_RATE) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    def _save(self, step: int) -> None:
        content = {
            "plan": json.dumps(asdict(self._plan)),
            "step": step,
            "model": self._model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "state": self._state,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_name(f"{CHECKPOINT}.partial")
        torch.save(content, partial)
        partial.replace(self._path)

    def _resume(self) -> int:
        if not self._path.exists():
            return 0
        try:
            content = torch.load(self._path, weights_only=True)
        except Exception as error:  # torch raises several kinds for a damaged file
            raise InputError(
                f"{self._path} is not a checkpoint: {error}.", "Delete it to train from the beginning."
            ) from error
        if content["plan"] != json.dumps(asdict(self._plan)):
            raise InputError(
                f"{self._path} is of a run with other settings or inputs.",
                "Train with those, or delete it to train from the beginning.",
            )
        self._model.load_state_dict(content["model"])
        self._optimizer.load_state_dict(content["optimizer"])
        self._schedule.load_state_dict(content["schedule"])
        self._state = content["state"]
        return int(content["step"])
