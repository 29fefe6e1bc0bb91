"""Progress of long work on stderr: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from streams.live_freshness import LiveFreshness

# Told what is done, of how many, and what to ask for what stands beside it.
Report = Callable[[int, int, Callable[[], str]], None]

# Between two lines where no bar can be drawn.
_LINE_EVERY_S = 5.0


@contextmanager
def reported(what: str) -> Iterator[Report]:
    """Report the progress of some work by its name."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(what)
        return
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[beside]}"), console=console) as bar:
        task = bar.add_task(what, total=None, beside="")
        yield lambda done, total, beside: bar.update(task, completed=done, total=total, beside=beside())


class _Lines:
    def __init__(self, what: str) -> None:
        self._what = what
        self._began = time.monotonic()
        self._next = self._began + _LINE_EVERY_S
        self._first: int | None = None

    def __call__(self, done: int, total: int, beside: Callable[[], str]) -> None:
        # What was done before this run says nothing of its rate.
        self._first = done if self._first is None else self._first
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _LINE_EVERY_S
        rate = (done - self._first) / (now - self._began)
        left = f", {(total - done) / rate:,.0f} s left" if rate else ""
        also = beside()
        typer.echo(
            f"{self._what}: {done:,} of {total:,}, {rate:,.0f}/s{left}{'; ' if also else ''}{also}",
            err=True,
        )


def live_traffic(waiting: int, fresh: LiveFreshness) -> str:
    """Live changes beside bulk work: how many wait, and how fresh those are that were indexed last."""
    p95 = fresh.p95_ms()
    return f"live: {waiting:,} wait{'' if p95 is None else f', freshness p95 {p95:,.0f} ms'}"
