"""`kith rollout`: a new model beside the old one, step by step, and back in one step."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from kith import wiring
from kith.commands import local, rollout_checks, rollout_start
from kith.deadline import Deadline
from kith.errors import InputError
from kith.services.process import pause as pause_for
from kith.settings import Settings, load_settings, load_told_settings
from schemas.rollouts import Rollout, RolloutPhase
from streams.clock import now_ms

if TYPE_CHECKING:
    from kith.wiring_rollout import Opened

app = typer.Typer(help="Roll a new model out beside the live one, step by step.", no_args_is_help=True)

_WRONG = 1
_HOUR_MS = 3_600_000
# Live changes that may wait for the indexer of a model that is made live.
_LEVEL = 100
_LEVEL_WITHIN_S = 30.0
_LOOK_S = 0.5
_WHOLE = 100
# The shares that `ramp` goes through by itself.
RAMP = (1, 5, 25, 50, 100)


@app.command("start")
def start(
    release: str = typer.Argument(..., help="Name of the release; its folder lies in KITH_MODELS_DIR."),
    skip_gate: bool = typer.Option(False, "--skip-gate", help="Do not hold it against the golden set."),
    least_of_live: float = typer.Option(0.98, min=0, help="Least share of the live model's nDCG@10 on the golden set."),
    guardrails: list[str] = typer.Option(
        [], "--guardrail", help="NAME=VALUE: least_samples, least_overlap, most_slower, most_errors, most_empty, …"
    ),
    rate: float | None = typer.Option(None, min=0.1, help="Profiles a second to fill; without it, all that is left."),
    threads: int = typer.Option(1, min=0, help="Embedding runs at a time while it fills; 0 takes every core."),
    partitions: str = typer.Option("", help="Fill only these partitions, 0,1,…: several machines may share the work."),
) -> None:
    """Make a release the candidate: gate, collection, and every profile that the live indexer knows, embedded anew.

    Live changes go first: the fill waits while they take half as long again as before, and takes the processors only
    when nobody else wants them. One that was stopped or killed goes on when the same command is given again. When it
    is done, the candidate's own indexer keeps it level: it is started where `kith up` runs the others, else run
    `KITH_MODEL_DIR=... kith index`.

    Exit code: 0 filled, 1 some partitions are left to others, 2 the release cannot be used or another rollout runs, 3 a
    part does not answer.

    Example: `kith rollout start student-v2`
    """
    from kith import wiring_rollout

    settings = load_settings()
    candidate = wiring_rollout.of_release(settings, release)
    wiring.release(candidate)
    with wiring_rollout.opened(settings) as at:
        rollout = rollout_start.begun(
            at, candidate, None if skip_gate else least_of_live, rollout_start.guardrails_of(guardrails)
        )
        if rollout.phase is RolloutPhase.FILLING:
            wanted = rollout_start.numbers(partitions)
            rollout = rollout_start.fill(at, rollout, candidate, wanted, rate, threads)
            if wanted:
                typer.echo(f"filled the partitions {partitions}; once all are: kith rollout start {release}")
                raise typer.Exit(_WRONG)
            wiring_rollout.begin(candidate, rollout)
            rollout = rollout.moved(RolloutPhase.FILLED, now_ms())
            at.log.save(rollout)
    if local.runs_here(load_told_settings()):
        local.start_indexer_of(load_told_settings(), release)
        typer.echo(f"{release} is filled, and its indexer runs; next: kith rollout shadow")
    else:
        typer.echo(f"{release} is filled; run its indexer: KITH_MODEL_DIR={candidate.model_dir} kith index")


@app.command("status")
def status(as_json: bool = typer.Option(False, "--json", help="Print it as JSON.")) -> None:
    """Show the rollout: phase, shares, lag and profiles of both models, quality and speed as far as they are known.

    Example: `kith rollout status`
    """
    from kith.commands.rollout_display import report, show
    from kith.wiring_rollout import opened

    with opened(load_settings()) as at:
        found = report(at, at.log.last())
    if as_json:
        typer.echo(json.dumps(found))
    else:
        show(found)


@app.command("shadow")
def shadow(
    percent: int = typer.Argument(10, min=0, max=_WHOLE, help="Share of the questions that both models answer."),
) -> None:
    """Let the candidate also answer a share of the questions, unseen; before, ask both the golden questions.

    Example: `kith rollout shadow 25`
    """
    from kith import wiring_rollout

    with wiring_rollout.opened(load_settings()) as at:
        rollout = _running(at).moved(RolloutPhase.SHADOW, now_ms(), shadow_percent=percent, ramp_percent=0)
        figures = _compared(at, rollout)
        _save(at, replace(rollout, figures=rollout.figures | figures))


@app.command("ramp")
def ramp(
    percent: int | None = typer.Argument(
        None, min=0, max=_WHOLE, help="Share of the requesters; without it the next of 1, 5, 25, 50, 100."
    ),
    shadow_percent: int | None = typer.Option(
        None,
        "--shadow",
        min=0,
        max=_WHOLE,
        help="Share of the questions that both answer; without it as before.",
    ),
    cohort_in: list[str] = typer.Option([], "--in", help="A cohort that the candidate answers whatever the share."),
    cohort_out: list[str] = typer.Option([], "--out", help="A cohort that the live model answers whatever the share."),
) -> None:
    """Let the candidate answer a share of the requesters: the same ones each time, and those before them.

    Example: `kith rollout ramp 5 --in staff`
    """
    from kith import wiring_rollout

    with wiring_rollout.opened(load_settings()) as at:
        one = _running(at)
        # Who shares the traffic without comparing has only latency, errors and feedback to go by.
        compared = one.shadow_percent if shadow_percent is None else shadow_percent
        share = percent if percent is not None else next((step for step in RAMP if step > one.ramp_percent), _WHOLE)
        _save(
            at,
            one.moved(
                RolloutPhase.RAMP,
                now_ms(),
                ramp_percent=share,
                shadow_percent=compared,
                cohorts_in=sorted({*one.cohorts_in, *cohort_in} - {*cohort_out}),
                cohorts_out=sorted({*one.cohorts_out, *cohort_out} - {*cohort_in}),
            ),
        )


@app.command("pause")
def pause() -> None:
    """Let the live model answer everybody, and go on later with `ramp` or `shadow`; both stay level.

    Example: `kith rollout pause`
    """
    from kith import wiring_rollout

    with wiring_rollout.opened(load_settings()) as at:
        _save(at, _running(at).moved(RolloutPhase.PAUSED, now_ms(), ramp_percent=0, shadow_percent=0))


@app.command("promote")
def promote(
    now: bool = typer.Option(False, "--now", help="Also from a share below 100 %."),
    no_audit: bool = typer.Option(False, "--no-audit", help="Do not hold its index against its table before."),
    keep_hours: float = typer.Option(24.0, min=0, help="How long the model before it is kept level."),
) -> None:
    """Make the candidate live: one switch of the alias, once its index is whole and level. The one before stays level.

    Exit code: 0 it is live, 1 its index is not whole or it is behind, 2 the rollout is not that far, 3 not available.

    Example: `kith rollout promote`
    """
    from kith import wiring_rollout

    with wiring_rollout.opened(load_settings()) as at:
        one = _running(at)
        moved = one.moved(
            RolloutPhase.PROMOTED, now_ms(), shadow_percent=0, keep_until=now_ms() + int(keep_hours * _HOUR_MS)
        )
        if one.phase is RolloutPhase.RAMP and one.ramp_percent < _WHOLE and not now:
            raise InputError(f"It answers {one.ramp_percent} % of the requesters.", "Ramp to 100, or give --now.")
        wrong = _not_level(at.settings, one.candidate, _LEVEL_WITHIN_S)
        wrong = wrong or (None if no_audit else _not_whole(at.settings, one.candidate))
        if wrong is not None:
            typer.echo(wrong, err=True)
            raise typer.Exit(_WRONG)
        seconds = _switch(at, one.candidate)
        # What everybody is answered by is the alias now: the share says nothing any more.
        at.log.save(replace(moved, ramp_percent=0))
    typer.echo(f"{one.candidate} is live (the switch took {seconds * 1000:.0f} ms); back: kith rollout rollback")


@app.command("rollback")
def rollback(
    reason: str = typer.Option("by hand", "--reason", help="Why; it stands in the record."),
) -> None:
    """Let the model before answer everybody again, from any phase; after a promotion that is one switch of the alias.

    Example: `kith rollout rollback --reason "users complain"`
    """
    from kith import wiring_rollout

    with wiring_rollout.opened(load_settings()) as at:
        one = at.log.last()
        moved = one.moved(RolloutPhase.ROLLED_BACK, now_ms(), ramp_percent=0, shadow_percent=0, reason=reason)
        # The record first: with it nobody is sent to the candidate any more, whatever Milvus says.
        at.log.save(moved)
        seconds = _switch(at, one.baseline) if wiring_rollout.live(at.settings, at.held) != one.baseline else 0.0
        late = _not_level(at.settings, one.baseline)
    if late is not None:
        typer.echo(late, err=True)
    typer.echo(f"{one.baseline} answers everybody (the switch took {seconds * 1000:.0f} ms)")


@app.command("retire")
def retire(
    now: bool = typer.Option(False, "--now", help="Also before the time that it is kept for has passed."),
) -> None:
    """Remove the model that lost: its collection, its indexer's table and group, and its vectors from the log.

    Stop its indexer before; one that `kith up` runs is stopped by this. There is no way back from here but another
    rollout.

    Example: `kith rollout retire`
    """
    from kith import wiring_rollout

    with wiring_rollout.opened(load_settings()) as at:
        one = at.log.last()
        lost = one.baseline if one.phase in {RolloutPhase.PROMOTED, RolloutPhase.RETIRED} else one.candidate
        lost = one.retired or lost
        if not now and one.keep_until is not None and now_ms() < one.keep_until and one.phase is RolloutPhase.PROMOTED:
            left = (one.keep_until - now_ms()) / _HOUR_MS
            raise InputError(f"{lost} is kept level for {left:.1f} hours more.", "Wait, or give --now.")
        moved = one.moved(RolloutPhase.RETIRED, now_ms(), retired=lost)
        local.stop_indexer_of(load_told_settings(), lost)
        wiring_rollout.retire(at, lost)
        at.log.save(moved)
    kept = one.candidate if lost == one.baseline else one.baseline
    typer.echo(f"{lost} is gone; from now on run with KITH_MODEL_DIR={wiring.release_folder(at.settings, kept)}")


def _running(at: Opened) -> Rollout:
    """Raises `InputError` when no rollout is under way."""
    one = at.log.running()
    if one is None:
        raise InputError("No rollout is under way.", "Begin one with `kith rollout start RELEASE`.")
    return one


def _save(at: Opened, rollout: Rollout) -> None:
    at.log.save(rollout)
    typer.echo(
        f"{rollout.candidate}: {rollout.phase}, answers {rollout.ramp_percent} % of the requesters, "
        f"{rollout.shadow_percent} % of the questions are compared"
    )


def _compared(at: Opened, rollout: Rollout) -> dict[str, float]:
    """Golden questions on the live index, asked of both models."""
    from kith import wiring_rollout

    own, theirs = (wiring_rollout.arm(at.settings, at.held, m) for m in (rollout.candidate, rollout.baseline))
    figures = rollout_checks.compare_on_live_index(wiring_rollout.retrieval(at.held, at.settings), own, theirs)
    for name, value in figures.items():
        typer.echo(f"{name.replace('_', ' ')}: {value:.3f}")
    return figures


def _switch(at: Opened, model: str) -> float:
    """Seconds that it took."""
    from kith import wiring_rollout

    started = time.monotonic()
    wiring_rollout.switch(at.settings, at.held, model)
    return time.monotonic() - started


def _not_level(settings: Settings, model: str, within_s: float = 0.0) -> str | None:
    """Why a model is not level with the stream, nor is within so many seconds; None when it is."""
    from kith import wiring_rollout

    of_model, deadline = wiring_rollout.of_release(settings, model), Deadline.after(within_s)
    while ((lags := wiring_rollout.lags(of_model)) is None or lags > _LEVEL) and not deadline.expired():
        pause_for(_LOOK_S)
    if lags is None:
        return f"how far the indexer of {model} is behind is not known"
    return f"{lags:,} records wait for the indexer of {model}" if lags > _LEVEL else None


def _not_whole(settings: Settings, model: str) -> str | None:
    """Why a model's index is not what its table says; None when it is."""
    from kith import wiring_rollout
    from kith.commands import audit

    with audit.opened(wiring_rollout.of_release(settings, model)) as check:
        found = check.index()
    if not found.counts.total():
        return None
    return f"the index of {model} is wrong for {found.counts.total():,} profiles: kith audit --release {model} --repair"
