"""Observations of a rollout held against its guardrails. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from schemas.rollouts import FeedbackAction, Guardrails, ObservationKind, Rollout, SearchFeedback, SearchObservation

# What a guardrail looks at: the newest so many of each kind, so that it sees what is going on now.
_NEWEST = 500
_DEPTH = 10


class Observed:
    """The newest observations of one rollout since its shares were changed last."""

    def __init__(self, rollout: Rollout) -> None:
        self._rollout = rollout
        self._answers: dict[ObservationKind, deque[SearchObservation]] = {
            kind: deque(maxlen=_NEWEST) for kind in ObservationKind
        }
        self._feedback: dict[str, deque[bool]] = {
            model: deque(maxlen=_NEWEST) for model in (rollout.candidate, rollout.baseline)
        }

    def take(self, one: SearchObservation) -> None:
        """Note an observation; one of another rollout, or from before, is none of ours."""
        if one.candidate == self._rollout.candidate and one.observed_at >= self._rollout.changed_at:
            self._answers[one.kind].append(one)

    def take_feedback(self, one: SearchFeedback) -> None:
        """Note feedback; that on another model, or from before, is none of ours."""
        if one.model in self._feedback and one.occurred_at >= self._rollout.changed_at:
            self._feedback[one.model].append(one.action is FeedbackAction.DISMISS)

    def broken(self) -> str | None:
        """The first guardrail that is broken, with its figure; None while all hold or too little was seen."""
        limits = self._rollout.guardrails
        return next((said for said in (*self._compared(limits), *self._answered(limits), *self._told(limits))), None)

    def figures(self) -> dict[str, float]:
        """What was seen, by name; times in milliseconds."""
        compared = self._answers[ObservationKind.COMPARED]
        figures: dict[str, float] = {f"{kind.lower()}_samples": len(self._answers[kind]) for kind in ObservationKind}
        if overlaps := [one.overlap for one in compared if one.overlap is not None]:
            figures["overlap_at_10"] = float(np.mean(overlaps))
        if taus := [one.rank_correlation for one in compared if one.rank_correlation is not None]:
            figures["rank_correlation"] = float(np.mean(taus))
        for kind in (ObservationKind.LIVE, ObservationKind.CANDIDATE):
            if answers := self._answers[kind]:
                figures[f"{kind.lower()}_p95_ms"] = _p95([one.elapsed_ms for one in answers])
                figures[f"{kind.lower()}_failed"] = _share([one.failed for one in answers])
                figures[f"{kind.lower()}_empty"] = _share([one.hits == 0 for one in answers])
        return figures

    def _compared(self, limits: Guardrails) -> Iterator[str]:
        """Questions that both models answered."""
        compared = self._answers[ObservationKind.COMPARED]
        if len(compared) < max(1, limits.least_samples):
            return
        failed = _share([one.failed for one in compared])
        if failed > limits.most_errors:
            yield f"errors: {failed:.1%} of {len(compared)} compared questions, most {limits.most_errors:.1%}"
        overlaps = [one.overlap for one in compared if one.overlap is not None]
        if overlaps and np.mean(overlaps) < limits.least_overlap:
            yield (
                f"overlap@10: {np.mean(overlaps):.3f} over {len(overlaps)} compared questions, "
                f"least {limits.least_overlap:g}"
            )
        times = [(one.elapsed_ms, one.live_ms) for one in compared if not one.failed and one.live_ms is not None]
        if times:
            yield from _slower([own for own, _live in times], [live for _own, live in times], limits)

    def _answered(self, limits: Guardrails) -> Iterator[str]:
        """Answers that somebody got from the candidate, against those of the live model where there are as many."""
        own, live = self._answers[ObservationKind.CANDIDATE], self._answers[ObservationKind.LIVE]
        if len(own) < max(1, limits.least_samples):
            return
        enough = len(live) >= limits.least_samples
        failed = _share([one.failed for one in own]) - (_share([one.failed for one in live]) if enough else 0.0)
        if failed > limits.most_errors:
            yield f"errors: {failed:.1%} more than the live model, most {limits.most_errors:.1%}"
        empty = _share([one.hits == 0 for one in own]) - (_share([one.hits == 0 for one in live]) if enough else 0.0)
        if empty > limits.most_empty:
            yield f"empty results: {empty:.1%} more than the live model, most {limits.most_empty:.1%}"
        if enough:
            yield from _slower([one.elapsed_ms for one in own], [one.elapsed_ms for one in live], limits)

    def _told(self, limits: Guardrails) -> Iterator[str]:
        """Feedback on both models."""
        own, live = (self._feedback[model] for model in (self._rollout.candidate, self._rollout.baseline))
        if min(len(own), len(live)) < max(1, limits.least_samples):
            return
        dismissed = _share(own) - _share(live)
        if dismissed > limits.most_dismissed:
            yield f"feedback: {dismissed:.1%} more dismissed than of the live model, most {limits.most_dismissed:.1%}"


def overlap_at_10(found: Sequence[str], live: Sequence[str]) -> float:
    """Share of the live model's first ten hits that the other one found among its first ten; 1 when there are none."""
    wanted = set(live[:_DEPTH])
    return len(wanted & set(found[:_DEPTH])) / len(wanted) if wanted else 1.0


def rank_correlation(found: Sequence[str], live: Sequence[str]) -> float | None:
    """Kendall's tau-a of the order of the hits that both have; None for fewer than two (Kendall 1938)."""
    common = [one for one in live if one in set(found)]
    if len(common) < 2:  # noqa: PLR2004 - an order takes two
        return None
    places = {one: place for place, one in enumerate(found)}
    agreeing = [1 if places[first] < places[second] else -1 for first, second in combinations(common, 2)]
    return sum(agreeing) / len(agreeing)


def _slower(own: Sequence[float], live: Sequence[float], limits: Guardrails) -> Iterator[str]:
    ratio = _p95(own) / max(_p95(live), 1e-3)
    if ratio > limits.most_slower:
        yield f"latency: p95 is {ratio:.1f} times the live model's, most {limits.most_slower:g}"


def _p95(values: Sequence[float]) -> float:
    return float(np.percentile(values, 95))


def _share(marks: Sequence[bool] | deque[bool]) -> float:
    return sum(marks) / len(marks) if marks else 0.0
