"""`kith produce`: profiles from a file, or made ones, onto the change stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kith.errors import InputError
from kith.settings import Settings, load_settings
from schemas.records import Operation, ProfileChange
from streams.sources.detect import Format
from streams.sources.items import Parsed, Stamps

if TYPE_CHECKING:
    from distill.synthetic import SyntheticProfile
    from kith.commands.produce_display import Source
    from streams.produce import ProduceReport, Watch

_EXIT_SOME_REJECTED = 1


def produce(
    file: Path | None = typer.Argument(
        None, help="File of profiles: JSON Resume, CSV, or our own fields as JSONL, Avro, Parquet."
    ),
    file_format: Format = typer.Option(Format.AUTO, "--format", help="Format of FILE; auto looks into it."),
    header_map: str = typer.Option("", "--map", help="CSV: our field to the file's column, name=full_name,…"),
    id_field: str | None = typer.Option(None, help="JSON Resume: dotted path of the identity, for example basics.uid."),
    synthetic: int | None = typer.Option(None, min=1, help="Instead of FILE: make this many profiles."),
    seed: int = typer.Option(0, help="With --synthetic: the same seed makes the same profiles."),
    out: Path | None = typer.Option(None, help="With --synthetic: write them to this file as JSONL, and send nothing."),
    rate: float | None = typer.Option(None, min=0.001, help="Changes per second; without it, as fast as it goes."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Check every record, and send nothing."),
    rejected: Path | None = typer.Option(None, help="Write rejected records to this file: line, reason, what it held."),
    max_errors_shown: int = typer.Option(20, min=0, help="Most rejected records to show."),
    as_json: bool = typer.Option(False, "--json", help="Print the report as JSON."),
) -> None:
    """Send profiles to the change stream; each is validated, keyed by its id, and counts once it is acknowledged.

    A record that cannot be sent is shown with its line and reason, and never stops the others. Without a `version` it
    gets the clock's milliseconds. In CSV, lists (skills, languages) are separated by `;`.

    Exit code: 0 all sent, 1 some rejected, 2 unusable file or option, 3 Kafka or the registry does not answer.

    Example: `kith produce people.csv --map profile_id=id,name=full_name,headline=title --rejected rejected.jsonl`

    Example: `kith produce --synthetic 5000 --seed 7`
    """
    settings = load_settings()
    _refuse_wrong_options(file, synthetic, rejected, out)
    if file is None:
        opened = _from_nothing(synthetic or 0, seed)
    else:
        opened = _from_file(file, file_format, header_map, id_field)
    done = "written" if out is not None else "valid" if dry_run else "sent"
    with opened as source:
        run = _chosen_run(settings, source, out, dry_run, rate)
        report = _followed(run, source, rejected, partial(_show, done, max_errors_shown, as_json))
    if report.rejected:
        raise typer.Exit(_EXIT_SOME_REJECTED)


def _followed(
    run: Callable[[Watch], ProduceReport], source: Source, rejected: Path | None, show: Callable[..., None]
) -> ProduceReport:
    """Run to the end with progress on the screen and rejected records in their file, then show the report."""
    from kith.commands.produce_display import RejectedFile, following
    from streams.produce import ProduceStopped, Watch

    try:
        with RejectedFile(rejected) as kept, following(source) as on_progress:
            report = run(Watch(on_rejected=kept.add, on_progress=on_progress))
    except ProduceStopped as stopped:
        show(stopped.report, error=str(stopped))
        raise
    if not report.read:
        raise InputError(f"{source.name} holds no records.", "Check what should have written it.")
    show(report)
    return report


def _show(done: str, max_errors_shown: int, as_json: bool, report: ProduceReport, error: str = "") -> None:
    from kith.commands.produce_display import show_report

    show_report(report, max_errors_shown, done, as_json=as_json, error=error)


def _refuse_wrong_options(file: Path | None, synthetic: int | None, rejected: Path | None, out: Path | None) -> None:
    if (file is None) == (synthetic is None):
        raise InputError("Either FILE or --synthetic N is needed.", "See `kith produce --help`.")
    if out is not None and synthetic is None:
        raise InputError("--out goes with --synthetic.", "Leave it out, or add --synthetic N.")
    for written in (rejected, out):
        if written is not None and file is not None and written.absolute() == file.absolute():
            raise InputError(f"{written} is the file to read, and would be overwritten.", "Name another file.")
    if rejected is not None and out is not None and rejected.absolute() == out.absolute():
        raise InputError("--rejected and --out name one file.", "Name two.")


@contextmanager
def _from_file(file: Path, file_format: Format, header_map: str, id_field: str | None) -> Iterator[Source]:
    from kith.commands.produce_display import Source
    from streams.sources.csv_table import parse_map
    from streams.sources.detect import opened_profiles

    columns = parse_map(header_map)
    with opened_profiles(file, Stamps(), file_format, column_map=columns, id_field=id_field) as records:
        # A pipe has no size, and so no share of it that is done.
        yield Source(str(file), records, file.stat().st_size or None, _bytes_done)


@contextmanager
def _from_nothing(count: int, seed: int) -> Iterator[Source]:
    from distill.synthetic import synthetic_profiles
    from kith.commands.produce_display import Source

    stamps = Stamps()
    changes = (_first_change(person, stamps) for person in synthetic_profiles(count, seed))
    records = (Parsed(number, change, b"", number) for number, change in enumerate(changes, 1))
    yield Source(f"{count:,} made profiles", records, count, _records_done)


def _first_change(person: SyntheticProfile, stamps: Stamps) -> ProfileChange:
    return ProfileChange(
        profile_id=person.profile_id,
        version=stamps.version(person.profile_id),
        occurred_at=stamps.occurred_at(),
        operation=Operation.UPSERT,
        source="synthetic",
        profile=person.profile,
    )


def _chosen_run(
    settings: Settings, source: Source, out: Path | None, dry_run: bool, rate: float | None
) -> Callable[[Watch], ProduceReport]:
    """What is done with the records; the cluster is asked for its topics before any is taken."""
    from kith import wiring
    from kith.commands.produce_display import write_profiles
    from kith.wiring_traces import recording
    from streams.produce import examine, produce

    limit = settings.max_record_bytes
    if out is not None:
        return lambda watch: write_profiles(source.records, out, limit, watch)
    if dry_run:
        return lambda watch: examine(source.records, max_record_bytes=limit, watch=watch)
    traced = recording(settings, "produce")
    topics, admin, codec = wiring.topics(settings), wiring.topic_admin(settings), wiring.codec(settings)
    # First, so that a cluster that is away is one message, without the client's own log lines around it.
    if topics.changes.name not in admin.partitions_held():
        raise InputError(
            f"The topic {topics.changes.name} is not on the cluster, or this user may not see it.",
            "Run `kith topics apply`, or grant what `kith topics acls --role source` shows.",
        )
    publisher = wiring.publisher(settings)

    def send(watch: Watch) -> ProduceReport:
        with traced:
            return produce(source.records, publisher, codec, topics, max_record_bytes=limit, rate=rate, watch=watch)

    return send


def _records_done(report: ProduceReport) -> int:
    return report.read


def _bytes_done(report: ProduceReport) -> int:
    return report.read_bytes
