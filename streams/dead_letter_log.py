"""The dead letters as an operator sees them: which are open, and what was done about the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kith.deadline import Deadline
from kith.errors import InputError
from schemas import headers
from schemas.codec import Codec
from schemas.records import DeadLetter, Stage
from schemas.topics import Topics
from streams.publisher import Outgoing, Publisher
from streams.topic_reader import read_topic

REPLAYED, DROPPED = "replayed", "dropped"


@dataclass(frozen=True, slots=True)
class Held:
    """A dead letter on its topic. `place`: partition and offset there, as in `3:17`."""

    place: str
    letter: DeadLetter


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which dead letters; None leaves open.

    Attributes:
        place: partition and offset on the dead-letter topic.
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

    def takes(self, held: Held) -> bool:
        """Whether this one is wanted."""
        letter = held.letter
        return (
            self.place in (None, held.place)
            and self.stage in (None, letter.stage)
            and self.error_class in (None, letter.error_class)
            and (self.message is None or self.message.casefold() in letter.message.casefold())
            and (self.key is None or letter.key == self.key.encode())
            and (self.since_ms is None or letter.last_at >= self.since_ms)
        )


class DeadLetterLog:
    """Reads the dead-letter topic, and puts letters back on the topic that they came from.

    What was done about a letter is a record of the same topic without a value, which names it in a header: the
    letters themselves stay until their retention ends.

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

    def open(self, wanted: Wanted) -> list[Held]:
        """The wanted letters about which nothing was done yet, oldest first.

        Raises:
            kith.errors.Unavailable: Kafka or the registry does not answer.
        """
        found: dict[str, Held] = {}
        done: set[str] = set()
        for held, resolves in self._records():
            if resolves is not None:
                done.add(resolves)
            elif held is not None and wanted.takes(held):
                found[held.place] = held
        return sorted((h for place, h in found.items() if place not in done), key=lambda held: held.letter.first_at)

    def replay(self, letters: Sequence[Held], said: Callable[[Held], None]) -> None:
        """Send the bytes of letters once more to the topic that they came from; the gate decides as for any record.

        Raises:
            kith.errors.InputError: a letter has no bytes to send.
            kith.errors.Unavailable: Kafka does not answer; what was not told by `said` is still open.
        """
        for held in letters:
            letter = held.letter
            if letter.key is None:
                raise InputError(f"{held.place} has no key to send it under.", "Correct it at its source, and drop it.")
            self._publish([Outgoing(letter.topic, letter.key, letter.value)])
            self._resolve(held, REPLAYED)
            said(held)

    def drop(self, letters: Sequence[Held], said: Callable[[Held], None]) -> None:
        """Close letters without sending them.

        Raises:
            kith.errors.Unavailable: Kafka does not answer; what was not told by `said` is still open.
        """
        for held in letters:
            self._resolve(held, DROPPED)
            said(held)

    def _resolve(self, held: Held, how: str) -> None:
        marks: headers.Headers = [(headers.RESOLVES, held.place.encode()), (headers.RESOLUTION, how.encode())]
        self._publish([Outgoing(self._topic.name, held.letter.key, None, marks)])

    def _publish(self, outgoing: Sequence[Outgoing]) -> None:
        self._publisher.publish(outgoing, Deadline.after(self._timeout_s))

    def _records(self) -> Iterator[tuple[Held | None, str | None]]:
        for message in read_topic(self._config, self._topic.name):
            resolves = headers.header(message.headers(), headers.RESOLVES)
            value = message.value()
            if resolves is not None:
                yield None, resolves.decode()
            elif value is not None:
                place = f"{message.partition()}:{message.offset()}"
                yield Held(place, self._codec.decode(value, DeadLetter)), None
