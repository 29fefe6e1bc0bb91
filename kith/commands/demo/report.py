"""How the demo looks on a terminal, and as plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from kith.commands.demo.questions import TOP, Answer
from kith.commands.local import Running

if TYPE_CHECKING:
    from kith.commands.demo.command import Outcome

_PLAIN_EVERY_S = 5.0


class Bars:
    """Progress bars on a terminal; elsewhere a plain line now and then."""

    def __init__(self, console: Console, bars: Progress | None) -> None:
        self._console = console
        self._bars = bars

    def one(self, what: str, total: int) -> Callable[[int], None]:
        """A bar; call what is returned with how many are done."""
        if self._bars is None:
            return self._lines(what, total)
        bars, task = self._bars, self._bars.add_task(what, total=total)
        return lambda done: bars.update(task, completed=done)

    def pair(self, first: str, second: str, total: int) -> tuple[Callable[[int], None], Callable[[int], None]]:
        """Two bars of the same length."""
        return self.one(first, total), self.one(second, total)

    def _lines(self, what: str, total: int) -> Callable[[int], None]:
        started = time.monotonic()
        said_at = started

        def say(done: int) -> None:
            nonlocal said_at
            now = time.monotonic()
            if done >= total or now - said_at >= _PLAIN_EVERY_S:
                said_at = now
                rate = done / max(now - started, 1e-9)
                left = f", {(total - done) / rate:.0f} s left" if 0 < done < total else ""
                self._console.print(f"{what}: {done} of {total}, {rate:.0f}/s{left}", markup=False)

        return say


@contextmanager
def progress(console: Console) -> Iterator[Bars]:
    """Bars while entered."""
    if not console.is_terminal:
        yield Bars(console, None)
        return
    columns = (TextColumn("{task.description:34}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bars:
        yield Bars(console, bars)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:6.0f}/s")


def print_parts(console: Console, running: Running) -> None:
    """Where the pieces run."""
    table = Table("part", "where")
    table.add_row("Apache Kafka", running.settings.kafka_bootstrap)
    table.add_row("Schema Registry", running.settings.schema_registry_url)
    table.add_row("Milvus Lite", running.settings.milvus_uri)
    for name, port in running.health_ports.items():
        table.add_row(name, f"http://127.0.0.1:{port}/metrics")
    table.add_row("state and logs", str(running.settings.state_dir))
    console.print(table)


def print_outcome(console: Console, outcome: Outcome) -> None:
    """Questions with both answers, then the figures."""
    table = Table(
        "question", f"by meaning, in first {TOP}", f"BM25, in first {TOP}", title="None of these words is theirs"
    )
    for answer in outcome.answers:
        table.add_row(
            Text(answer.question),
            _found(answer.by_meaning, answer.rank, answer.best),
            _found(answer.by_keywords, answer.keyword_rank, answer.keyword_best),
        )
    console.print(table)
    by_meaning, by_keywords = _counts(outcome.answers)
    of = len(outcome.answers)
    load, fresh = outcome.load, outcome.freshness
    percentiles = f"p50 {fresh.p50:.0f} ms, p95 {fresh.p95:.0f} ms, p99 {fresh.p99:.0f} ms"
    lines = (
        f"a right person in the first {TOP}: by meaning {by_meaning} of {of}, by BM25 {by_keywords} of {of}",
        f"first load: {load.profiles} searchable in {load.seconds:.1f} s, {load.profiles / load.seconds:.0f} events/s",
        f"freshness, event to a search that shows it, {fresh.count} changes: {percentiles}",
        f"changes never seen: {fresh.unseen}; profiles missing from the index: {outcome.missing}",
    )
    for line in lines:
        console.print(line, markup=False, highlight=False)


def _counts(answers: Sequence[Answer]) -> tuple[int, int]:
    return sum(a.by_meaning for a in answers), sum(a.by_keywords for a in answers)


def _found(hit: bool, rank: int | None, headline: str) -> Text:
    place = f"{rank}. " if rank else "- "
    return Text(place + headline, style="green" if hit else "red")
