"""`kith rebuild`: a lost index, filled again from the log without embedding."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from kith import wiring
from kith.commands import audit
from kith.settings import load_settings

if TYPE_CHECKING:
    from streams.rebuild import Rebuilt

_WRONG = 1
# Between two lines where no bar can be drawn.
_LINE_EVERY_S = 5.0


def rebuild(as_json: bool = typer.Option(False, "--json", help="Print the report as JSON.")) -> None:
    """Fill the release's collection from the log of embeddings and the indexer's table, then hold it against the table.

    For an index that was lost, dropped or is empty. A running indexer may go on; what it changes meanwhile, and what
    has no vector in the log, is set right by it over the bulk lane. Repeating it is harmless.
    Exit code: 0 the index is whole, 1 the indexer was asked for the rest (run `kith audit`), 3 a part does not answer.

    Example: `kith rebuild`
    """
    settings = load_settings()
    started = time.monotonic()
    codec, held = wiring.codec(settings), wiring.index(settings)
    try:
        with _progress() as said:
            done = wiring.rebuild(settings, codec, wiring.own_collection(settings, held)).run(said)
    finally:
        held.close()
        codec.close()
    seconds = time.monotonic() - started
    with audit.opened(settings) as check:
        found = check.index()
        check.repair(found.wrong, lambda asked: typer.echo(f"asked to reindex {asked:,}", err=True))
    wrong = found.counts.total()
    if as_json:
        report = {"profiles": done.profiles, "written": done.written, "without_vector": len(done.without_vector)}
        typer.echo(json.dumps(report | {"seconds": seconds, "right": found.right, "asked": wrong}))
    else:
        typer.echo(
            f"{done.written:,} of {done.profiles:,} written in {seconds:.1f} s "
            f"({done.written / max(seconds, 1e-9):,.0f}/s), {len(done.without_vector):,} without a vector; "
            f"index: right {found.right:,}, asked for {wrong:,}"
        )
    if wrong:
        raise typer.Exit(_WRONG)


@contextmanager
def _progress() -> Iterator[Callable[[Rebuilt], None]]:
    """A bar on a terminal, a line every few seconds elsewhere (stderr)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    with Progress(
        TextColumn("rebuild"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
    ) as bar:
        task = bar.add_task("rebuild", total=None)
        yield lambda done: bar.update(task, total=done.profiles, completed=done.written)


class _Lines:
    def __init__(self) -> None:
        self._began = time.monotonic()
        self._next = self._began + _LINE_EVERY_S

    def __call__(self, done: Rebuilt) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _LINE_EVERY_S
        rate = done.written / (now - self._began)
        left = (done.profiles - done.written) / rate if rate else 0.0
        typer.echo(f"rebuild: {done.written:,} of {done.profiles:,}, {rate:,.0f}/s, {left:,.0f} s left", err=True)
