"""A record that can never succeed, kept with its reason and its bytes."""

from __future__ import annotations

from schemas.records import DeadLetter, Stage
from streams.incoming import Incoming

_MAX_MESSAGE_CHARS = 2000


def dead_letter(
    incoming: Incoming, stage: Stage, error_class: str, message: str, *, first_at: int, now: int
) -> DeadLetter:
    """The dead letter of a record.

    Args:
        error_class: kind of the error, a class name.
        message: why, without any text of the profile.
        first_at, now: first and last attempt, milliseconds since the epoch, UTC.
    """
    return DeadLetter(
        topic=incoming.topic,
        partition=incoming.partition,
        offset=incoming.offset,
        key=incoming.key,
        value=incoming.value,
        stage=stage,
        error_class=error_class,
        message=message[:_MAX_MESSAGE_CHARS],
        attempts=1,
        first_at=first_at,
        last_at=now,
    )
