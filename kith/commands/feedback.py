"""`kith feedback`: what requesters did with hits, sent, and held against what they were shown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from kith import wiring
from kith.commands.progress import reported
from kith.errors import InputError, Unavailable
from kith.settings import load_settings
from schemas.rollouts import FeedbackAction

if TYPE_CHECKING:
    from kith.settings import Settings
    from schemas.codec import Codec
    from streams.feedback_sums import FeedbackSums, GroupSums, PositionSums

app = typer.Typer(help="Send feedback, and show what requesters did with what they were shown.", no_args_is_help=True)

_NOTHING = 1
_SENT_S = 10.0
_SHOWN_POSITIONS = 10


@app.command("send")
def send(
    request_id: str = typer.Argument(..., help="The reply's request_id."),
    profile_id: str = typer.Argument(..., help="The hit."),
    action: FeedbackAction = typer.Argument(..., help="What was done with it."),
    model: str | None = typer.Option(None, "--model", help="The reply's model; without it the impression is sought."),
) -> None:
    """Tell what a requester did with a hit.

    Without --model the impression is read from search.impressions, and the hit must be in it.
    Exit code: 0 sent and acknowledged, 2 wrong, or no such impression, 3 Kafka or the registry does not answer.

    Example: `kith feedback send 0b7c9e0a4e4f4f0e9a3d2f6f1c5a7d21 member-4711 connect`
    """
    from schemas.rollouts import SearchFeedback
    from schemas.validation import validate_feedback
    from streams.clock import now_ms
    from workers.feedback_sender import FeedbackSender

    validate_feedback(SearchFeedback(request_id, profile_id, model or "sought", action, now_ms()))
    settings = load_settings()
    records = wiring.codec(settings)
    try:
        named = model or _model_of(settings, records, request_id, profile_id)
        with FeedbackSender(settings.kafka_client(), records, wiring.bus_topics(settings)) as sender:
            _acknowledged(sender.submit(SearchFeedback(request_id, profile_id, named, action, now_ms())).result)
    finally:
        records.close()
    typer.echo(f"{action.value} of {profile_id}, shown by {named}")


@app.command("show")
def show(
    since: datetime | None = typer.Option(None, "--since", help="Only impressions at or after this time, UTC."),
    as_json: bool = typer.Option(False, "--json", help="Print the sums as JSON, the ranks of each model and mode too."),
) -> None:
    """Join impressions and feedback by request: by model, mode and action, and click-through by rank.

    A click is view, connect or message. The same action on the same hit counts once. Feedback that no impression
    explains is counted apart. Reads both topics; ids lie in a temporary folder, not in memory.
    Exit code: 0 there are impressions, 1 there are none, 3 Kafka or the registry does not answer.

    Example: `kith feedback show --since 2026-11-01`
    """
    from streams.feedback_join import FeedbackJoin

    settings = load_settings()
    records = wiring.codec(settings)
    moment = None if since is None else int(since.replace(tzinfo=since.tzinfo or UTC).timestamp() * 1000)
    try:
        with _progress() as said:
            join = FeedbackJoin(settings.kafka_client(), records, wiring.bus_topics(settings), said)
            sums = join.run(moment)
    finally:
        records.close()
    if as_json:
        typer.echo(json.dumps(as_mapping(sums)))
    else:
        _print(sums)
    if not sums.groups:
        raise typer.Exit(_NOTHING)


def as_mapping(sums: FeedbackSums) -> dict[str, object]:
    """For JSON. A rank of 101 stands for every later one."""
    return {
        "groups": [
            {
                "model": model,
                "mode": mode,
                "impressions": group.impressions,
                "clicked": group.clicked,
                "actions": _by_action(group.actions),
                "positions": _positions(dict(sorted(group.positions.items()))),
            }
            for (model, mode), group in sorted(sums.groups.items())
        ],
        "positions": _positions(sums.positions()),
        "without_impression": _by_action(sums.without),
        "on_earlier_impressions": _by_action(sums.earlier),
        "not_shown": _by_action(sums.not_shown),
        "duplicates": sums.duplicates,
        "repeated_impressions": sums.repeated,
        "unreadable": sums.unreadable,
        "other_model": sums.other_model,
    }


def _by_action(counts: Counter[FeedbackAction]) -> dict[str, int]:
    return {action.value: counts[action] for action in FeedbackAction}


def _positions(found: dict[int, PositionSums]) -> list[dict[str, object]]:
    return [
        {"position": place, "shown": one.shown, "clicked": one.clicked, "click_through": one.clicked / one.shown}
        for place, one in found.items()
    ]


def _print(sums: FeedbackSums) -> None:
    from rich.console import Console
    from rich.table import Table

    actions = [action.value for action in FeedbackAction]
    table = Table("model", "mode", box=None, padding=(0, 1, 0, 0))
    for heading in ("impressions", "clicked", *actions):
        table.add_column(heading, justify="right")
    for (model, mode), group in sorted(sums.groups.items()):
        table.add_row(model, mode, *_figures(group))
    Console().print(table, markup=False)
    positions = Table(box=None, padding=(0, 1, 0, 0))
    for heading in ("rank", "shown", "clicked", "click-through"):
        positions.add_column(heading, justify="right")
    for place, one in list(sums.positions().items())[:_SHOWN_POSITIONS]:
        positions.add_row(str(place), f"{one.shown:,}", f"{one.clicked:,}", f"{one.clicked / one.shown:.1%}")
    Console().print(positions)
    apart = {
        "without an impression": sums.without.total(),
        "on earlier impressions": sums.earlier.total(),
        "on profiles that were not shown": sums.not_shown.total(),
        "told again": sums.duplicates,
        "naming another model": sums.other_model,
    }
    said = ", ".join(f"{what} {count:,}" for what, count in apart.items() if count)
    typer.echo(f"feedback {said}" if said else "all feedback is on what was shown")
    if sums.unreadable:
        typer.echo(f"unreadable records {sums.unreadable:,}")


def _figures(group: GroupSums) -> list[str]:
    counts = (group.impressions, group.clicked, *(group.actions[action] for action in FeedbackAction))
    return [f"{count:,}" for count in counts]


def _model_of(settings: Settings, records: Codec, request_id: str, profile_id: str) -> str:
    """Raises `InputError`: there is no such impression, or it shows no such profile."""
    from streams.feedback_join import find_impression

    with _progress() as said:
        shown = find_impression(settings.kafka_client(), records, wiring.bus_topics(settings), request_id, said)
    if shown is None:
        raise InputError(f"There is no impression of the request {request_id}.", "Give --model, the reply's model.")
    if profile_id not in {hit.profile_id for hit in shown.hits}:
        raise InputError(f"The request {request_id} did not show {profile_id}.", "Give a profile_id of its hits.")
    return shown.model


def _acknowledged(result: Callable[[float], None]) -> None:
    try:
        result(_SENT_S)
    except TimeoutError:
        raise Unavailable("Kafka did not acknowledge the feedback.", "Check that the brokers are up.") from None


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Progress by topic, as they are read one after the other."""
    with reported("records") as report:
        yield lambda topic, done, total: report(done, total, lambda: topic)
