"""`kith rebuild`: a lost index, filled again from the log without embedding."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from kith import wiring
from kith.commands import audit
from kith.commands.progress import reported
from kith.deadline import Deadline
from kith.errors import InputError
from kith.settings import load_settings

if TYPE_CHECKING:
    from streams.audit import Audit
    from streams.index_check import IndexFindings
    from streams.rebuild import Rebuilt

_WRONG = 1


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A rebuild: what was written in so many seconds, what was found then, what the indexer was asked for."""

    done: Rebuilt
    seconds: float
    found: IndexFindings
    asked: int
    live: bool

    def as_mapping(self) -> dict[str, object]:
        """For JSON."""
        return {
            "profiles": self.done.profiles,
            "written": self.done.written,
            "without_vector": len(self.done.without_vector),
            "seconds": self.seconds,
            "right": self.found.right,
            "wrong": self.found.counts.total(),
            "asked": self.asked,
            "live": self.live,
        }

    def line(self) -> str:
        """For people."""
        return (
            f"{self.done.written:,} of {self.done.profiles:,} written in {self.seconds:.1f} s "
            f"({self.done.written / max(self.seconds, 1e-9):,.0f}/s), {len(self.done.without_vector):,} without a "
            f"vector; index: right {self.found.right:,}, wrong {self.found.counts.total():,}, asked for "
            f"{self.asked:,}; {'live' if self.live else 'not live'}"
        )


def rebuild(
    fresh: bool = typer.Option(False, "--fresh", help="Drop the release's collection first: for a corrupt index."),
    yes: bool = typer.Option(False, "--yes", help="Do not ask before dropping."),
    timeout_s: float = typer.Option(
        60.0, "--timeout", min=0.0, help="Longest wait for the indexer to set right what is wrong, seconds."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print the report as JSON."),
) -> None:
    """Fill the release's collection from the log of embeddings and the indexer's table, then hold it against the table.

    For an index that was lost, dropped or is empty. A lost one is searched again when it is whole, and not before;
    until then searches are answered as unavailable. One that is live is filled where it stands; --fresh takes it away
    first. A running indexer may go on; what it changes meanwhile, and what has no vector in the log, is set right by
    it over the bulk lane. It may be killed at any moment and run again.
    Exit code: 0 the index is whole, 1 it is not, and not made live: run it again while the indexer runs, 2 not
    confirmed, 3 a part does not answer.

    Example: `kith rebuild`

    Example: `kith rebuild --fresh --yes`
    """
    settings = load_settings()
    codec, held = wiring.codec(settings), wiring.index(settings)
    try:
        collection = wiring.refilled_collection(settings, held)
        if fresh and not yes:
            _confirm(collection.name)
        started = time.monotonic()
        collection.open(fresh=fresh)
        with reported("rebuild") as report:
            done = wiring.rebuild(settings, codec, wiring.own_collection(settings, held)).run(
                lambda so_far: report(so_far.written, so_far.profiles, str)
            )
        seconds = time.monotonic() - started
        with audit.opened(settings) as check:
            found, asked = _set_right(check, Deadline.after(timeout_s))
        whole = not found.counts.total()
        live = collection.make_live() if whole else collection.is_live()
    finally:
        held.close()
        codec.close()
    outcome = _Outcome(done, seconds, found, asked, live)
    typer.echo(json.dumps(outcome.as_mapping()) if as_json else outcome.line())
    if not whole:
        raise typer.Exit(_WRONG)


def _set_right(check: Audit, patience: Deadline) -> tuple[IndexFindings, int]:
    """Ask the indexer for what is wrong, and wait for it; what is wrong then, and how many were asked for."""
    asked: set[str] = set()
    while True:
        found = check.index()
        new = [wrong for wrong in found.wrong if wrong.profile_id not in asked]
        if new:
            check.repair(new, lambda count: typer.echo(f"asked to reindex {count:,}", err=True))
            asked.update(wrong.profile_id for wrong in new)
        if not found.counts.total() or patience.expired():
            return found, len(asked)


def _confirm(name: str) -> None:
    """Ask whether to drop a collection.

    Raises:
        InputError: the answer is no, or there is nobody to ask.
    """
    if not sys.stdin.isatty():
        raise InputError(f"--fresh drops {name}, and nobody can be asked.", "Add --yes.")
    if not typer.confirm(f"Drop {name} and fill it again? Until it is whole, nothing is found.", err=True):
        raise InputError(f"{name} was not dropped.")
