"""Event times of single records of the change stream, read where they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from kith.deadline import Deadline
from kith.errors import Unavailable
from schemas.codec import Codec, DecodeError
from schemas.records import ProfileChange
from schemas.registry import UnknownSchema

Place = tuple[str, int]

# The client has no public name for it.
_NOTHING_THERE = KafkaError._PARTITION_EOF  # noqa: SLF001

# What did not come by then is asked for anew: its partition may have moved to another broker.
_GIVE_UP_S = 10.0
# One record of each partition is wanted, and not what waits behind it.
_FETCHED_KIB = 512


class EventTimes:
    """Reads records without joining a group, and without waiting for them: `ask`, and `come` until they came.

    Args:
        config: librdkafka configuration to reach the cluster.
    """

    def __init__(self, config: dict[str, Any], codec: Codec) -> None:
        self._codec = codec
        self._wanted: dict[Place, int] = {}
        self._until = Deadline.after(0)
        self._consumer = Consumer(
            config
            | {
                "group.id": "kith-event-times",
                "enable.auto.commit": False,
                "auto.offset.reset": "latest",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 50,
                "queued.max.messages.kbytes": _FETCHED_KIB,
                "log_level": 0,
            }
        )

    def idle(self) -> bool:
        """Whether everything that was asked for came, or will not."""
        return not self._wanted or self._until.expired()

    def ask(self, offsets: Mapping[Place, int]) -> None:
        """Ask for the record at each offset, and for nothing that was asked for before."""
        self._wanted = dict(offsets)
        self._until = Deadline.after(_GIVE_UP_S)
        self._consumer.assign([TopicPartition(topic, number, at) for (topic, number), at in offsets.items()])

    def come(self) -> dict[Place, int | None]:
        """Event times that came since the last call, milliseconds since the epoch, UTC; never waits.

        A record that tells none has the time at which it was written; None: the record is not there any more.
        """
        found: dict[Place, int | None] = {}
        while self._wanted and (message := self._consumer.poll(0)) is not None:
            error, place = message.error(), (message.topic() or "", message.partition() or 0)
            if place not in self._wanted or (error is not None and error.code() != _NOTHING_THERE):
                continue
            at = self._wanted.pop(place)
            try:
                found[place] = self._time_of(message) if error is None and message.offset() == at else None
            except Unavailable:
                # Without the registry nobody can tell now: whoever wants it asks again.
                continue
        if self.idle():
            self._consumer.unassign()
        return found

    def close(self) -> None:
        """Give the connections back."""
        self._consumer.close()

    def _time_of(self, message: Message) -> int:
        _kind, written_at = message.timestamp()
        value = message.value()
        if value is None:
            return int(written_at)
        try:
            return self._codec.decode(value, ProfileChange).occurred_at
        except (DecodeError, UnknownSchema):
            # It became a dead letter.
            return int(written_at)
