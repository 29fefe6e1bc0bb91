"""Typed records of a rollout, the observations made on its way, and which step may follow which. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from kith.errors import InputError


class RolloutPhase(StrEnum):
    """How far a rollout is; the contract says what each means."""

    FILLING = "FILLING"
    FILLED = "FILLED"
    SHADOW = "SHADOW"
    RAMP = "RAMP"
    PAUSED = "PAUSED"
    PROMOTED = "PROMOTED"
    ROLLED_BACK = "ROLLED_BACK"
    RETIRED = "RETIRED"


# Two rollouts at a time would share traffic, machines and the way back.
RUNNING = frozenset(
    {
        RolloutPhase.FILLING,
        RolloutPhase.FILLED,
        RolloutPhase.SHADOW,
        RolloutPhase.RAMP,
        RolloutPhase.PAUSED,
        RolloutPhase.PROMOTED,
    }
)
# The figure of a rollout that says how fresh live changes were before it began: 95th percentile, milliseconds.
BEFORE = "live_freshness_p95_ms_before"
# The candidate sees questions.
SERVING = frozenset({RolloutPhase.SHADOW, RolloutPhase.RAMP})

_FOLLOWS = {
    RolloutPhase.FILLED: {RolloutPhase.FILLING, RolloutPhase.FILLED},
    RolloutPhase.SHADOW: {RolloutPhase.FILLED, RolloutPhase.SHADOW, RolloutPhase.RAMP, RolloutPhase.PAUSED},
    RolloutPhase.RAMP: {RolloutPhase.FILLED, RolloutPhase.SHADOW, RolloutPhase.RAMP, RolloutPhase.PAUSED},
    RolloutPhase.PAUSED: {RolloutPhase.SHADOW, RolloutPhase.RAMP, RolloutPhase.PAUSED},
    RolloutPhase.PROMOTED: {RolloutPhase.RAMP, RolloutPhase.PROMOTED},
    RolloutPhase.ROLLED_BACK: RUNNING | {RolloutPhase.ROLLED_BACK},
    RolloutPhase.RETIRED: {RolloutPhase.PROMOTED, RolloutPhase.ROLLED_BACK, RolloutPhase.RETIRED},
}


@dataclass(frozen=True, slots=True)
class Guardrails:
    """What ends a rollout by itself; shares are from 0 to 1.

    Attributes:
        least_samples: observations of each kind before it is judged by them.
        least_overlap: mean share of the first ten hits that both models find.
        most_slower: 95th percentile of the candidate's time over the live model's.
        most_errors, most_empty, most_dismissed: share above the live model's.
    """

    least_samples: int = 50
    # student-v1 finds .1 of what student-v0 found, and is far better; noise finds next to nothing of it.
    least_overlap: float = 0.03
    most_slower: float = 4.0
    most_errors: float = 0.02
    most_empty: float = 0.05
    most_dismissed: float = 0.1


@dataclass(frozen=True, slots=True)
class InputOffset:
    """The first record of a partition that the candidate's indexer consumes by itself."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Rollout:
    """A candidate on its way. Times: milliseconds since the epoch, UTC; percentages from 0 to 100.

    Attributes:
        candidate, baseline: names of model releases; the baseline was live at the start.
        inputs: where the candidate's own consumption begins; what stands before was in the table that filled it.
        keep_until: until then the one that lost is kept level.
    """

    candidate: str
    baseline: str
    phase: RolloutPhase
    inputs: list[InputOffset]
    started_at: int
    changed_at: int
    guardrails: Guardrails = field(default_factory=Guardrails)
    shadow_percent: int = 0
    ramp_percent: int = 0
    cohorts_in: list[str] = field(default_factory=list)
    cohorts_out: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    reason: str | None = None
    keep_until: int | None = None
    retired: str | None = None

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.phase in RUNNING

    @property
    def kept_level(self) -> frozenset[str]:
        """Releases whose indexers run on account of it."""
        away = self.candidate if self.phase is RolloutPhase.FILLING else self.retired
        return frozenset({self.candidate, self.baseline} - {away})

    def moved(self, phase: RolloutPhase, now: int, **changes: Any) -> Rollout:
        """The rollout in another phase.

        Raises:
            InputError: that phase may not follow this one.
        """
        if self.phase not in _FOLLOWS[phase]:
            before = ", ".join(sorted(_FOLLOWS[phase]))
            raise InputError(
                f"The rollout of {self.candidate} is {self.phase}; {phase} can follow {before}.",
                "See `kith rollout status`.",
            )
        return replace(self, phase=phase, changed_at=now, **changes)


class ObservationKind(StrEnum):
    """What an observation is of; the contract says what each means."""

    LIVE = "LIVE"
    CANDIDATE = "CANDIDATE"
    COMPARED = "COMPARED"


@dataclass(frozen=True, slots=True)
class SearchObservation:
    """How one question was answered while a rollout goes on. Times of work: milliseconds."""

    candidate: str
    kind: ObservationKind
    observed_at: int
    failed: bool
    hits: int
    elapsed_ms: float
    live_ms: float | None = None
    overlap: float | None = None
    rank_correlation: float | None = None


class FeedbackAction(StrEnum):
    """What was done with a hit."""

    VIEW = "view"
    CONNECT = "connect"
    MESSAGE = "message"
    DISMISS = "dismiss"


@dataclass(frozen=True, slots=True)
class SearchFeedback:
    """What a requester did with a hit. `model`: of the reply; `occurred_at`: milliseconds since the epoch, UTC."""

    request_id: str
    profile_id: str
    model: str
    action: FeedbackAction
    occurred_at: int
