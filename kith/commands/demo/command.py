"""`kith demo`: sets up, streams, changes, asks, measures, stops."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer

from kith.commands import local
from kith.settings import Settings, load_told_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from kith.commands.demo.freshness import Percentiles
    from kith.commands.demo.questions import Answer
    from kith.commands.demo.story import Load

_BROKEN_PROMISE = 1
# Of the questions; some made-up worlds have nobody who is right for one of them.
_ANSWERED_SHARE = 3 / 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the demo showed. Times in seconds, but for `freshness` (milliseconds)."""

    started_s: float
    load: Load
    freshness: Percentiles
    missing: int
    answers: Sequence[Answer]

    def kept(self) -> bool:
        """Whether every profile is where it should be and the questions were answered."""
        answered = sum(answer.by_meaning for answer in self.answers)
        return not self.missing and not self.freshness.unseen and answered >= _ANSWERED_SHARE * len(self.answers)


def demo(
    keep: bool = typer.Option(False, "--keep", help="Leave everything running at the end; `kith down` stops it."),
    profiles: int = typer.Option(5000, "--profiles", min=50, help="How many profiles to stream."),
    changes: int = typer.Option(500, "--changes", min=1, help="How many changes to trickle in afterwards."),
    rate: float = typer.Option(20.0, "--rate", min=0.1, help="Changes per second."),
    seed: int = typer.Option(7, "--seed", help="Seed of the profiles."),
    as_json: bool = typer.Option(False, "--json", help="Print the figures as JSON."),
) -> None:
    """Show the main job on real parts: stream profiles, change and delete some, ask in other words than theirs.

    It uses a state folder of its own (`<state_dir>/demo`), made anew each time. Exit code 1 when a profile is missing,
    a change was not seen, or too few questions were answered.

    Example: `kith demo --keep`
    """
    from rich.console import Console

    from kith.commands.demo import report

    told = load_told_settings()
    settings = told.model_copy(update={"state_dir": told.state_dir / "demo"})
    console = Console(stderr=as_json)
    # Asked to end, it stops what it started, as it does on Ctrl-C.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    local.stop_all(settings)
    shutil.rmtree(settings.state_dir, ignore_errors=True)
    try:
        outcome, running = _run(settings, console, profiles, changes, rate, seed)
        if as_json:
            typer.echo(json.dumps(asdict(outcome)))
        report.print_outcome(console, outcome)
        if keep:
            console.print("\nEverything is still running:")
            local.print_status(running)
            console.print(
                f"Ask on with: KITH_STATE_DIR={settings.state_dir} kith search 'my daughter has crooked teeth'"
            )
    finally:
        if not keep:
            console.print(f"stopped: {', '.join(local.stop_all(settings))}")
    if not outcome.kept():
        raise typer.Exit(_BROKEN_PROMISE)


def _run(
    settings: Settings, console: Console, profiles: int, changes: int, rate: float, seed: int
) -> tuple[Outcome, Settings]:
    from distill.taxonomy import load_demo_questions
    from kith import wiring
    from kith.commands.demo import report
    from kith.commands.demo.questions import Comparison
    from kith.commands.demo.story import Story

    started = time.monotonic()
    running = local.start_all(settings, say=lambda line: console.print(line, markup=False))
    started_s = time.monotonic() - started
    console.print(f"every part is up after {started_s:.1f} s")
    report.print_parts(console, running)
    story = Story(running.settings, seed)
    try:
        with report.progress(console) as bars:
            load = story.load(profiles, *bars.pair("profiles sent", "profiles searchable", profiles))
            freshness = story.trickle(changes, rate, bars.one("changes, additions and deletions", changes))
        comparison = Comparison(story.world.profiles, story.world.occupations, wiring.renderer(settings))
        answers = [comparison.answer(question, story.ask) for question in load_demo_questions()]
        return Outcome(started_s, load, freshness, story.missing(), answers), running.settings
    finally:
        story.close()
