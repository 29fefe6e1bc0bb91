"""`kith audit`: is every record accounted for, and does the index hold what it should?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table

from kith import wiring
from kith.settings import Settings, load_settings
from schemas.records import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.accounts import PartitionSums
    from streams.audit import Audit
    from streams.index_check import IndexFindings

_WRONG = 1
# Short, so that ten columns fit a terminal.
_HEADINGS = {
    Outcome.INDEXED: "indexed",
    Outcome.UNCHANGED: "unch.",
    Outcome.STALE: "stale",
    Outcome.DELETED: "deleted",
    Outcome.DEAD_LETTERED: "dead",
}
_SHOWN = 20
# What is repaired in one run; more is what `kith rebuild` is for.
_NAMED = 100_000


def audit(
    repair: bool = typer.Option(False, "--repair", help="Have the indexer set right what is wrong in the index."),
    release: str | None = typer.Option(None, "--release", help="Audit this release, not the configured one."),
    as_json: bool = typer.Option(False, "--json", help="Print the sums and every wrong profile as JSON."),
) -> None:
    """Hold consumed offsets, receipts, the indexer's table and the index against each other, while traffic goes on.

    Shows what became of the records of each partition, and every profile that is missing, extra or at another version.
    Under "none" stand records without a receipt, under "changed" receipts that disagree, under "again" repeated ones.
    Exit code: 0 everything is accounted for, 1 something is not, 3 a part does not answer.

    Example: `kith audit --repair`
    """
    from kith import wiring_rollout

    settings = load_settings()
    if release is not None:
        settings = wiring_rollout.of_release(settings, release)
    with opened(settings) as one:
        records = one.records()
        index = one.index()
        if repair and index.wrong:
            one.repair(index.wrong, lambda asked: typer.echo(f"asked to reindex {asked:,}", err=True))
    if as_json:
        typer.echo(json.dumps(as_mapping(records, index)))
    else:
        _show(records, index)
    if not is_exact(records, index):
        raise typer.Exit(_WRONG)


@contextmanager
def opened(settings: Settings) -> Iterator[Audit]:
    """An audit of the configured release, with what it needs open."""
    codec, held = wiring.codec(settings), wiring.index(settings)
    try:
        yield wiring.audit(settings, codec, wiring.own_collection(settings, held), _NAMED)
    finally:
        held.close()
        codec.close()


def is_exact(records: Mapping[str, Sequence[PartitionSums]], index: IndexFindings) -> bool:
    """Whether every record has one outcome and the index is the table's."""
    return not index.counts.total() and not any(s.without or s.changed for sums in records.values() for s in sums)


def as_mapping(records: Mapping[str, Sequence[PartitionSums]], index: IndexFindings) -> dict[str, object]:
    """For JSON."""
    return {
        "exact": is_exact(records, index),
        "records": [_sums(topic, s) for topic, sums in records.items() for s in sums],
        "index": {
            "right": index.right,
            **{str(kind): count for kind, count in index.counts.items()},
            "wrong": [
                {"profile_id": w.profile_id, "kind": w.kind, "found": w.found, "known": w.known} for w in index.wrong
            ],
        },
    }


def _sums(topic: str, s: PartitionSums) -> dict[str, object]:
    return {
        "topic": topic,
        "partition": s.partition,
        "first": s.consumed.first,
        "end": s.consumed.end,
        **{str(outcome): count for outcome, count in s.outcomes.items()},
        "without": s.without,
        "changed": s.changed,
        "repeated": s.repeated,
    }


def _show(records: Mapping[str, Sequence[PartitionSums]], index: IndexFindings) -> None:
    for topic, sums in records.items():
        table = Table("partition", box=None, padding=(0, 1, 0, 0), title=topic, title_justify="left")
        for heading in ("records", *_HEADINGS.values(), "none", "changed", "again"):
            table.add_column(heading, justify="right", no_wrap=True)
        for s in sums:
            counts = (
                s.consumed.end - s.consumed.first,
                *(s.outcomes[o] for o in _HEADINGS),
                s.without,
                s.changed,
                s.repeated,
            )
            table.add_row(str(s.partition), *(f"{count:,}" for count in counts))
        Console().print(table)
    wrong = ", ".join(f"{kind} {count:,}" for kind, count in sorted(index.counts.items()))
    typer.echo(f"index: right {index.right:,}{', ' if wrong else '; nothing is wrong'}{wrong}")
    for profile in index.wrong[:_SHOWN]:
        found = "none" if profile.found is None else f"version {profile.found}"
        known = "none" if profile.known is None else f"version {profile.known}"
        typer.echo(f"{profile.kind}: {profile.profile_id} has {found}, should have {known}")
    if index.counts.total() > _SHOWN:
        typer.echo(f"… and {index.counts.total() - _SHOWN:,} more (--json names {len(index.wrong):,})")
