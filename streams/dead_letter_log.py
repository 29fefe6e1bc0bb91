"""The dead letters as an operator sees them: which are open, and what was done about the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kith.deadline import Deadline
from kith.errors import InputError
from schemas import headers
from schemas.codec import Codec, DecodeError
from schemas.dead_letters import letter_key
from schemas.records import DeadLetter, ProfileChange, Stage
from schemas.registry import UnknownSchema
from schemas.topics import Topics
from streams.publisher import Outgoing, Publisher
from streams.topic_reader import read_topic

REPLAYED, DROPPED, ERASED = "replayed", "dropped", "erased"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which dead letters; None leaves open.

    Attributes:
        place: of the record: topic, partition and offset, as in `profile.changes:3:17`.
        error_class: exact.
        message: part of it, whatever case.
        key: of the record, as text.
        since_ms: last attempt at or after, milliseconds since the epoch, UTC.
    """

    place: str | None = None
    stage: Stage | None = None
    error_class: str | None = None
    message: str | None = None
    key: str | None = None
    since_ms: int | None = None

    def takes(self, letter: DeadLetter) -> bool:
        """Whether this one is wanted."""
        return (
            self.place in (None, place(letter))
            and self.stage in (None, letter.stage)
            and self.error_class in (None, letter.error_class)
            and (self.message is None or self.message.casefold() in letter.message.casefold())
            and (self.key is None or letter.key == self.key.encode())
            and (self.since_ms is None or letter.last_at >= self.since_ms)
        )


class DeadLetterLog:
    """Reads the dead-letter topic, and puts letters back on the topic that they came from.

    A letter about which something was done is closed by a tombstone, whose header says what it was.

    Args:
        config: librdkafka configuration to reach the cluster.
        timeout_s: for the acknowledgement of what is published, seconds.
    """

    def __init__(
        self, config: dict[str, Any], codec: Codec, publisher: Publisher, topics: Topics, *, timeout_s: float
    ) -> None:
        self._config = config
        self._codec = codec
        self._publisher = publisher
        self._topic = topics.dead_letters
        self._timeout_s = timeout_s

    def open(self, wanted: Wanted) -> list[DeadLetter]:
        """The wanted letters about which nothing was done yet, oldest first.

        Raises:
            kith.errors.Unavailable: Kafka or the registry does not answer.
        """
        found: dict[bytes, DeadLetter] = {}
        for message in read_topic(self._config, self._topic.name):
            letter = None if message.value is None else self._codec.decode(message.value, DeadLetter)
            if letter is not None and wanted.takes(letter):
                found[message.key] = letter
            else:
                found.pop(message.key, None)
        return sorted(found.values(), key=lambda letter: letter.first_at)

    def replay(self, letters: Sequence[DeadLetter], said: Callable[[DeadLetter], None]) -> None:
        """Send the bytes of letters once more to the topic that they came from; the gate decides as for any record.

        Raises:
            kith.errors.InputError: a letter has no bytes to send.
            kith.errors.Unavailable: Kafka does not answer; what was not told by `said` is still open.
        """
        for letter in letters:
            if letter.key is None:
                raise InputError(
                    f"{place(letter)} has no key to send it under.", "Correct it at its source, and drop it."
                )
            self._publish(Outgoing(letter.topic, letter.key, letter.value))
            self._close(letter, REPLAYED)
            said(letter)

    def drop(self, letters: Sequence[DeadLetter], said: Callable[[DeadLetter], None]) -> None:
        """Close letters without sending them.

        Raises:
            kith.errors.Unavailable: Kafka does not answer; what was not told by `said` is still open.
        """
        for letter in letters:
            self._close(letter, DROPPED)
            said(letter)

    def erase(self, profile_id: str) -> int:
        """Close every letter that carries a profile, by its key or by what can be read of it; returns how many.

        Raises:
            kith.errors.Unavailable: Kafka or the registry does not answer.
        """
        letters = [letter for letter in self.open(Wanted()) if self._carries(letter, profile_id)]
        for letter in letters:
            self._close(letter, ERASED)
        return len(letters)

    def _carries(self, letter: DeadLetter, profile_id: str) -> bool:
        if letter.key == profile_id.encode():
            return True
        if letter.value is None:
            return False
        try:
            return self._codec.decode(letter.value, ProfileChange).profile_id == profile_id
        except (DecodeError, UnknownSchema):
            return False

    def _close(self, letter: DeadLetter, how: str) -> None:
        self._publish(Outgoing(self._topic.name, letter_key(letter), None, [(headers.RESOLUTION, how.encode())]))

    def _publish(self, outgoing: Outgoing) -> None:
        self._publisher.publish([outgoing], Deadline.after(self._timeout_s))


def place(letter: DeadLetter) -> str:
    """The record that a letter is of, as in `profile.changes:3:17`."""
    return letter_key(letter).decode()
