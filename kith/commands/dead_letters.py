"""`kith dead-letters`: what could never be indexed, why, and once more after a fix."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from kith import wiring
from kith.errors import InputError
from kith.settings import load_settings
from schemas.records import Stage

if TYPE_CHECKING:
    from schemas.records import DeadLetter
    from streams.dead_letter_log import DeadLetterLog, Wanted

app = typer.Typer(help="List, show, replay and drop dead letters.", no_args_is_help=True)

_NONE_FOUND = 1
_SHOWN_CHARS = 100

_STAGE = typer.Option(None, "--stage", help="Only those rejected there.")
_CLASS = typer.Option(None, "--class", help="Only those of this error class, for example DecodeError.")
_MESSAGE = typer.Option(None, "--message", help="Only those whose message has this in it.")
_KEY = typer.Option(None, "--key", help="Only those of this record key.")
_SINCE = typer.Option(None, "--since", help="Only those last tried at or after this time, UTC.")
_PLACE = typer.Argument(None, help="The record, as `list` shows it: profile.changes:3:17.")


@app.command("list")
def list_letters(
    stage: Stage | None = _STAGE,
    error_class: str | None = _CLASS,
    message: str | None = _MESSAGE,
    key: str | None = _KEY,
    since: datetime | None = _SINCE,
    as_json: bool = typer.Option(False, "--json", help="Print them as JSON."),
) -> None:
    """Show the dead letters about which nothing was done yet, oldest first.

    Exit code: 0 there are some, 1 none, 3 Kafka or the registry does not answer.

    Example: `kith dead-letters list --stage decode --since 2026-11-01`
    """
    with _log() as log:
        found = log.open(_wanted(None, stage, error_class, message, key, since))
    if as_json:
        typer.echo(json.dumps([_as_json(letter) for letter in found]))
    else:
        for letter in found:
            typer.echo(_line(letter))
    if not found:
        raise typer.Exit(_NONE_FOUND)


@app.command("show")
def show(place: str = typer.Argument(..., help="The record, as `list` shows it: profile.changes:3:17.")) -> None:
    """Show one dead letter whole, with its key and value as base64.

    Example: `kith dead-letters show profile.changes:3:17`
    """
    with _log() as log:
        typer.echo(json.dumps(_as_json(_one(log, place)), indent=2))


@app.command("replay")
def replay(
    place: str | None = _PLACE,
    stage: Stage | None = _STAGE,
    error_class: str | None = _CLASS,
    message: str | None = _MESSAGE,
    key: str | None = _KEY,
    since: datetime | None = _SINCE,
    everything: bool = typer.Option(False, "--all", help="Without this, a place or a filter has to be given."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be sent."),
) -> None:
    """Send dead letters once more to the topic that they came from; they pass the same gate as any change.

    What fails again becomes a dead letter again. What is stale by now is.

    Example: `kith dead-letters replay --class UnknownSchema`
    """
    wanted = _wanted(place, stage, error_class, message, key, since)
    with _log() as log:
        found = _chosen(log, wanted, everything=everything)
        if not dry_run:
            log.replay(found, lambda letter: typer.echo(f"replayed {_line(letter)}"))
    _count(found, "would be replayed" if dry_run else "replayed")


@app.command("drop")
def drop(
    place: str | None = _PLACE,
    stage: Stage | None = _STAGE,
    error_class: str | None = _CLASS,
    message: str | None = _MESSAGE,
    key: str | None = _KEY,
    since: datetime | None = _SINCE,
    everything: bool = typer.Option(False, "--all", help="Without this, a place or a filter has to be given."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be closed."),
) -> None:
    """Close dead letters that need nothing done. Their bytes stay on the topic until its retention ends.

    Example: `kith dead-letters drop profile.changes:3:17`
    """
    wanted = _wanted(place, stage, error_class, message, key, since)
    with _log() as log:
        found = _chosen(log, wanted, everything=everything)
        if not dry_run:
            log.drop(found, lambda letter: typer.echo(f"dropped {_line(letter)}"))
    _count(found, "would be dropped" if dry_run else "dropped")


@contextmanager
def _log() -> Iterator[DeadLetterLog]:
    settings = load_settings()
    codec = wiring.codec(settings)
    try:
        yield wiring.dead_letter_log(settings, codec)
    finally:
        codec.close()


def _wanted(
    place: str | None,
    stage: Stage | None,
    error_class: str | None,
    message: str | None,
    key: str | None,
    since: datetime | None,
) -> Wanted:
    from streams.dead_letter_log import Wanted

    since_ms = None if since is None else int(since.replace(tzinfo=UTC).timestamp() * 1000)
    return Wanted(place, stage, error_class, message, key, since_ms)


def _chosen(log: DeadLetterLog, wanted: Wanted, *, everything: bool) -> list[DeadLetter]:
    from streams.dead_letter_log import Wanted

    if wanted == Wanted() and not everything:
        raise InputError("Neither a place nor a filter is given.", "Give one, or --all.")
    if wanted.place is not None:
        return [_one(log, wanted.place)]
    return log.open(wanted)


def _one(log: DeadLetterLog, place: str) -> DeadLetter:
    from streams.dead_letter_log import Wanted

    found = log.open(Wanted(place=place))
    if not found:
        raise InputError(f"There is no open dead letter at {place}.", "`kith dead-letters list` shows those that are.")
    return found[0]


def _count(found: Sequence[DeadLetter], done: str) -> None:
    typer.echo(f"{len(found)} {done}")
    if not found:
        raise typer.Exit(_NONE_FOUND)


def _line(letter: DeadLetter) -> str:
    when = datetime.fromtimestamp(letter.last_at / 1000, UTC).isoformat(timespec="seconds")
    key = "no key" if letter.key is None else letter.key.decode(errors="replace")
    said = letter.message if len(letter.message) <= _SHOWN_CHARS else f"{letter.message[:_SHOWN_CHARS]}…"
    return f"{_place(letter)}  {when}  {letter.stage}  {letter.error_class}  {key}  {said}"


def _as_json(letter: DeadLetter) -> dict[str, object]:
    return {
        "place": _place(letter),
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "stage": letter.stage,
        "error_class": letter.error_class,
        "message": letter.message,
        "attempts": letter.attempts,
        "first_at": letter.first_at,
        "last_at": letter.last_at,
        "key": _base64(letter.key),
        "value": _base64(letter.value),
    }


def _place(letter: DeadLetter) -> str:
    from streams.dead_letter_log import place

    return place(letter)


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()
