"""`kith backfill`: the past through the bulk lane, while live changes go first."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from kith import wiring
from kith.commands.progress import live_traffic, reported
from kith.errors import InputError
from kith.settings import load_settings
from schemas.operations import BackfillRun, Phase
from streams.sources.detect import Format

if TYPE_CHECKING:
    from streams.backfill import Progress
    from streams.backfill_sources import Replayed
    from streams.live_freshness import LiveFreshness
    from streams.where import Where

    Wanted = Callable[[Replayed], bool]


class _RunUnlessNamed(TyperGroup):
    """`kith backfill --from earliest` is `kith backfill run --from earliest`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0].startswith("--") and args[0] != "--help":
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    help="Replay the past through the bulk lane; live changes go first.", no_args_is_help=True, cls=_RunUnlessNamed
)

_SOME_REJECTED = 1
_SHOWN = 20


@app.command("run")
def run(
    begin: str | None = typer.Option(
        None, "--from", help="earliest, a time in UTC, partition:offset,…, table, or the path of a file."
    ),
    run_id: str | None = typer.Option(None, "--run", help="Id of the run; one that was left before is gone on with."),
    ids: Path | None = typer.Option(None, "--ids", help="Only the profile ids in this file, one a line."),
    where: list[str] = typer.Option(
        [], "--where", help="Only profiles that say so: country=DE,AT or skills!=Python; repeat, all must hold."
    ),
    rate: float | None = typer.Option(None, min=0.1, help="Records a second; without it, as many as are consumed."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Count, and send nothing."),
    file_format: Format = typer.Option(Format.AUTO, "--format", help="Format of a file; auto looks into it."),
    header_map: str = typer.Option("", "--map", help="CSV: our field to the file's column, name=full_name,…"),
    id_field: str | None = typer.Option(None, help="JSON Resume: dotted path of the identity."),
    as_json: bool = typer.Option(False, "--json", help="Print the run as JSON."),
) -> None:
    """Replay the change stream, the table or a file through the bulk lane, into the same gate as live changes.

    At most a thousand records are under way at a time, and none is added while more than a hundred live changes wait.
    Records without a value are left out: they have no version to be judged by. A run that was stopped or killed goes
    on where it was left: `--run ID`.

    --where asks for country, location, industry, seniority, skills or languages, whatever their case; of a list one
    item is enough; a value with a comma stands in double quotes. A whole profile decides for itself. A patch or a
    deletion is decided by what the indexer's table knows of its profile when the command begins, and left out where
    that is nothing. A run keeps its conditions.

    Exit code: 0 done, 1 some records of a file were rejected, 2 unusable source or option, 3 a part does not answer.

    Example: `kith backfill run --from 2026-11-01T00:00:00Z --rate 500`

    Example: `kith backfill run --from table --run reembed-november`

    Example: `kith backfill run --from table --where country=DE,AT --where skills=Kafka`
    """
    from kith import wiring_backfill
    from streams.backfill import BackfillBounds, new_run
    from streams.sources.csv_table import parse_map
    from streams.where import parse_where

    conditions = parse_where(where)
    settings = load_settings()
    records = wiring.codec(settings)
    try:
        left = _left(wiring_backfill.runs(settings, records).all(), run_id, begin, conditions)
        asked = left.source if left is not None else begin or ""
        source = wiring_backfill.source(settings, asked, file_format, parse_map(header_map), id_field)
        one = left or new_run(run_id or uuid.uuid4().hex[:8], source, conditions)
        with ExitStack() as opened:
            wanted = _wanted(ids)
            if one.where:
                said_so = opened.enter_context(wiring_backfill.where_filter(settings, records, parse_where(one.where)))
                wanted = _both(wanted, said_so)
            replay = wiring_backfill.backfill(settings, records, BackfillBounds(rate=rate), wanted)
            if dry_run:
                progress = replay.count(source, one)
            else:
                said = opened.enter_context(_progress(wiring_backfill.live_freshness(settings, records)))
                progress = replay.run(source, one, said)
    finally:
        records.close()
    for rejection in progress.rejections[:_SHOWN]:
        typer.echo(f"record {rejection.line}: {rejection.reason}", err=True)
    typer.echo(json.dumps(asdict(progress.run)) if as_json else _line(progress.run, counted=dry_run))
    if progress.run.rejected:
        raise typer.Exit(_SOME_REJECTED)


@app.command("status")
def status(as_json: bool = typer.Option(False, "--json", help="Print the runs as JSON.")) -> None:
    """Show every backfill: how far it is, and whether it can be gone on with.

    Example: `kith backfill status`
    """
    from kith import wiring_backfill

    settings = load_settings()
    records = wiring.codec(settings)
    found = wiring_backfill.runs(settings, records).all()
    records.close()
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found.values()]))
        return
    for one in found.values():
        typer.echo(_line(one, counted=False))


@app.command("stop")
def stop(run_id: str = typer.Argument(..., help="Id of the run, as `status` shows it.")) -> None:
    """Ask a backfill to end, on whatever machine it runs; it can be gone on with.

    Example: `kith backfill stop reembed-november`
    """
    from kith import wiring_backfill

    settings = load_settings()
    records = wiring.codec(settings)
    try:
        runs = wiring_backfill.runs(settings, records)
        one = runs.one(run_id)
        if one.phase is Phase.DONE:
            raise InputError(f"The backfill {run_id} is done.")
        runs.stop(one)
    finally:
        records.close()
    typer.echo(f"asked {run_id} to stop")


def _left(runs: dict[str, BackfillRun], run_id: str | None, begin: str | None, where: Where) -> BackfillRun | None:
    """The run to go on with; None for a new one.

    Raises:
        InputError: nothing says what to replay, or the run is done or replays something else or of others.
    """
    one = None if run_id is None else runs.get(run_id)
    if one is None:
        if begin is None:
            raise InputError(
                "Nothing says what to replay.", "Give --from, or --run with the id of a run that was left."
            )
        return None
    if one.phase is Phase.DONE:
        raise InputError(f"The backfill {run_id} is done.", "Give another id to replay again.")
    if begin is not None and begin != one.source.removeprefix("file "):
        raise InputError(f"The backfill {run_id} replays {one.source}.", "Leave --from out to go on with it.")
    if where.conditions and where.texts() != one.where:
        only = f"only {' and '.join(one.where)}" if one.where else "every profile"
        raise InputError(f"The backfill {run_id} replays {only}.", "Leave --where out to go on with it.")
    return one


def _both(first: Wanted, second: Wanted) -> Wanted:
    return lambda record: first(record) and second(record)


def _wanted(ids: Path | None) -> Wanted:
    if ids is None:
        return lambda _record: True
    try:
        chosen = frozenset(ids.read_text().split())
    except OSError as error:
        raise InputError(f"{ids} cannot be read: {error.strerror}.", "Name a file of ids, one a line.") from error
    return lambda record: record.profile_id in chosen


def _done_and_total(run: BackfillRun) -> tuple[int, int]:
    left = sum(part.end - part.next for part in run.parts)
    done = run.sent + run.skipped + run.rejected
    return done, done + left


def _line(run: BackfillRun, *, counted: bool) -> str:
    done, total = _done_and_total(run)
    what = "would send" if counted else f"{run.phase.value.lower()}: sent"
    only = f" where {' and '.join(run.where)}" if run.where else ""
    return (
        f"{run.run_id} ({run.source}{only}) {what} {run.sent:,}, left out {run.skipped:,}, rejected {run.rejected:,}; "
        f"{done:,} of {total:,}"
    )


@contextmanager
def _progress(fresh: LiveFreshness) -> Iterator[Callable[[Progress], None]]:
    """Reports a run, with live traffic beside it."""
    with closing(fresh), reported("backfill") as report:

        def said(progress: Progress) -> None:
            report(*_done_and_total(progress.run), lambda: live_traffic(progress.live_lag, fresh))

        yield said
