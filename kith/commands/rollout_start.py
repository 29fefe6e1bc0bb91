"""What `kith rollout start` does: the gate, the record, and the fill."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import typer

from kith import wiring
from kith.commands import rollout_checks
from kith.commands.progress import live_traffic, reported
from kith.errors import InputError
from kith.services.process import give_way
from kith.settings import Settings
from schemas.rollouts import BEFORE, Guardrails, InputOffset, Rollout, RolloutPhase
from streams.clock import now_ms

if TYPE_CHECKING:
    from kith.wiring_rollout import Opened
    from streams.fill import Fill, Filled
    from streams.live_first import LiveFirst

# Of the changes that were indexed in the minute before; reading them takes some seconds.
_LOOKED_BACK_S, _PATIENCE_S = 60.0, 3.0
# An indexer that was catching up says nothing of how fresh its changes are otherwise.
_BEHIND_MS = 10_000.0
# A piece is filled at least so often, however busy the machine is, seconds.
_HOLD_S = 5.0
# Changes that are left to the candidate's indexer without filling once more, and how much less each time has to leave.
_FEW = 1000
_LESS = 0.7


def begun(at: Opened, candidate: Settings, least_of_live: float | None, guardrails: Guardrails) -> Rollout:
    """The rollout of a candidate, begun now or before.

    Raises:
        InputError: another one runs, or the release is live already.
        kith.errors.ReleaseError: it does not pass the gate.
    """
    from kith import wiring_rollout

    model = wiring.release(candidate).manifest.name
    before, running = at.log.of(model), at.log.running()
    if running is not None and running.candidate != model:
        raise InputError(
            f"The rollout of {running.candidate} is under way ({running.phase}).",
            "Promote and retire it, or roll it back.",
        )
    live = wiring_rollout.live(at.settings, at.held)
    if live == model:
        raise InputError(f"{model} is live already.")
    if before is not None and before.running:
        return before
    baseline = wiring_rollout.of_release(at.settings, live)
    with closing(wiring_rollout.freshness(baseline, live, at.records, _LOOKED_BACK_S)) as fresh:
        before_ms = fresh.settled_p95_ms(_PATIENCE_S)
    figures = {} if before_ms is None or before_ms > _BEHIND_MS else {BEFORE: before_ms}
    # Where it shares a machine with what serves, that goes first.
    give_way()
    if least_of_live is not None:
        folders = (candidate.model_dir, baseline.model_dir)
        figures |= rollout_checks.offline_gate(*folders, least_of_live, lambda line: typer.echo(line, err=True))
    now = now_ms()
    phase, inputs = _left(candidate, before) or (RolloutPhase.FILLING, _recorded(baseline))
    wiring_rollout.prepare(baseline, candidate, at.held)
    rollout = Rollout(model, live, phase, inputs, now, now, guardrails=guardrails, figures=figures)
    at.log.save(rollout)
    return rollout


def _left(candidate: Settings, before: Rollout | None) -> tuple[RolloutPhase, list[InputOffset]] | None:
    """Where an earlier rollout of the release left it; None when there is nothing of it.

    Raises:
        InputError: its indexer ran without a fill, or stood still for longer than the stream is kept.
    """
    from kith import wiring_rollout

    consumed = wiring_rollout.consumed(candidate)
    if before is not None and before.retired != before.candidate:
        if consumed is wiring_rollout.Consumed.TOO_LITTLE:
            raise InputError(
                f"The indexer of {before.candidate} stood still for longer than the stream is kept.",
                "Begin anew: kith rollout retire, then start.",
            )
        # Its indexer may run: what is kept level is not filled a second time beside it.
        level = consumed is wiring_rollout.Consumed.LEVEL
        return RolloutPhase.FILLED if level else RolloutPhase.FILLING, before.inputs
    if consumed is not wiring_rollout.Consumed.NOTHING:
        raise InputError(
            "An indexer of this release has run without a rollout: it may lack what the stream no longer holds.",
            "Give the release another name.",
        )
    return None


def fill(
    at: Opened,
    rollout: Rollout,
    candidate: Settings,
    partitions: Sequence[int],
    rate: float | None,
    threads: int,
) -> Rollout:
    """Fill a candidate, or some partitions of it, and say how far it is.

    A whole fill is repeated for what changed meanwhile, as long as that gets less: its indexer, which takes the
    processors as the live one does, then has little left to catch up with.

    Returns:
        The rollout, with the offsets at which the candidate's indexer begins.
    """
    from kith import wiring_rollout

    baseline = wiring_rollout.of_release(at.settings, rollout.baseline)
    collection = wiring_rollout.prepare(baseline, candidate, at.held)
    give_way()
    first = wiring_rollout.live_first(baseline, rollout.baseline, at.records, rollout.figures.get(BEFORE), _HOLD_S)
    one = wiring_rollout.fill(baseline, candidate, at.records, collection, first, threads=threads)
    wanted = partitions or wiring_rollout.partitions(baseline)
    with closing(first):
        _pass(at, rollout, one, wanted, rate, first)
        left = wiring_rollout.came_since(baseline, rollout)
        while not partitions and left > _FEW:
            typer.echo(f"{left:,} changes came meanwhile: filling what they changed", err=True)
            # What comes before these offsets is in the live table that is read now.
            rollout = replace(rollout, inputs=_recorded(baseline))
            at.log.save(rollout)
            _pass(at, rollout, one, wanted, rate, first)
            before, left = left, wiring_rollout.came_since(baseline, rollout)
            if left > _LESS * before:
                break
    return rollout


def _pass(
    at: Opened, rollout: Rollout, one: Fill, partitions: Sequence[int], rate: float | None, first: LiveFirst
) -> None:
    from kith import wiring_rollout
    from streams.fill import Paced

    pace = Paced(rate)
    total = wiring_rollout.profiles(at, rollout.baseline)
    with reported("fill") as report:

        def said(done: Filled) -> None:
            pace(done)
            report(done.done, max(total, done.done), lambda: live_traffic(first.waiting, first.fresh))

        done = one.run(partitions, said)
    typer.echo(
        f"filled: {done.written:,} embedded, {done.refreshed:,} refreshed, {done.marks:,} deleted, "
        f"{done.before:,} before, {len(done.refused):,} refused"
    )


def guardrails_of(given: Sequence[str]) -> Guardrails:
    """Raises `InputError` for a name that is none, or a value that is no number."""
    known = asdict(Guardrails())
    for one in given:
        name, _, value = one.partition("=")
        if name not in known:
            raise InputError(f"{name!r} is no guardrail.", f"There are {', '.join(known)}.")
        try:
            known[name] = type(known[name])(value)
        except ValueError:
            raise InputError(f"--guardrail {one}: {value!r} is no number.", f"Write {name}=NUMBER.") from None
    return Guardrails(**known)


def numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",") if part]
    except ValueError:
        raise InputError(f"--partitions {text}: not all are numbers.", "Write them as 0,1,2.") from None


def _recorded(baseline: Settings) -> list[InputOffset]:
    from kith.wiring_rollout import recorded_offsets

    return [InputOffset(topic, p, offset) for (topic, p), offset in sorted(recorded_offsets(baseline).items())]
