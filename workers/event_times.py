"""Event times of single records of the change stream, read where they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, Message, TopicPartition

from kith.deadline import Deadline
from kith.errors import Unavailable
from schemas.codec import Codec, DecodeError
from schemas.records import ProfileChange
from schemas.registry import UnknownSchema

Place = tuple[str, int]

_WAIT_S = 0.2
# One record of each partition is wanted, and not what waits behind it.
_FETCHED_KIB = 512


class EventTimes:
    """Reads records without joining a group.

    Args:
        config: librdkafka configuration to reach the cluster.
    """

    def __init__(self, config: dict[str, Any], codec: Codec) -> None:
        self._codec = codec
        self._consumer = Consumer(
            config
            | {
                "group.id": "kith-event-times",
                "enable.auto.commit": False,
                "auto.offset.reset": "latest",
                "fetch.wait.max.ms": 50,
                "queued.max.messages.kbytes": _FETCHED_KIB,
                "log_level": 0,
            }
        )

    def of(self, offsets: Mapping[Place, int]) -> dict[Place, int]:
        """Event time of the record at each offset, milliseconds since the epoch, UTC.

        One that tells none has the time at which it was written; one that is not there any more has no entry.
        """
        wanted = dict(offsets)
        self._consumer.assign([TopicPartition(topic, number, at) for (topic, number), at in wanted.items()])
        found: dict[Place, int] = {}
        deadline = Deadline.after(_WAIT_S)
        while wanted and not deadline.expired():
            message = self._consumer.poll(deadline.remaining())
            if message is None or message.error() is not None:
                continue
            place = message.topic() or "", message.partition() or 0
            if place in wanted:
                at = wanted.pop(place)
                if message.offset() == at:
                    found[place] = self._time_of(message)
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
        except (DecodeError, UnknownSchema, Unavailable):
            # It became a dead letter, or nobody can tell now.
            return int(written_at)
