"""Where backfills stand, on a compacted topic: any machine may look, stop one, or go on with it."""

from __future__ import annotations

import uuid
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Consumer, TopicPartition

from kith.deadline import Deadline
from kith.errors import InputError
from schemas.codec import Codec
from schemas.operations import BackfillRun
from schemas.topics import Topic
from streams.publisher import Outgoing, Publisher
from streams.topic_reader import read_topic, topic_ends

_STOP = b"!stop"


class BackfillRuns:
    """The runs of an installation.

    Args:
        config: librdkafka configuration to reach the cluster.
        timeout_s: for the acknowledgement of what is published, seconds.
    """

    def __init__(
        self, config: dict[str, Any], codec: Codec, topic: Topic, publisher: Publisher, *, timeout_s: float
    ) -> None:
        self._config = config
        self._codec = codec
        self._topic = topic
        self._publisher = publisher
        self._timeout_s = timeout_s

    def all(self) -> dict[str, BackfillRun]:
        """The newest state of each run, by id, in the order in which they were started.

        Raises:
            kith.errors.Unavailable: Kafka or the registry does not answer.
        """
        found: dict[str, BackfillRun] = {}
        for stored in read_topic(self._config, self._topic.name):
            if stored.value is not None and not stored.key.endswith(_STOP):
                run = self._codec.decode(stored.value, BackfillRun)
                found[run.run_id] = run
        return dict(sorted(found.items(), key=lambda one: one[1].started_at))

    def one(self, run_id: str) -> BackfillRun:
        """A run.

        Raises:
            InputError: there is none of this id.
            kith.errors.Unavailable: Kafka or the registry does not answer.
        """
        run = self.all().get(run_id)
        if run is None:
            raise InputError(f"There is no backfill {run_id!r}.", "See `kith backfill status`.")
        return run

    def save(self, run: BackfillRun) -> None:
        """Write how far a run is. Raises `kith.errors.Unavailable`."""
        self._publish(run.run_id.encode(), self._codec.encode(self._topic.subject, run))

    def stop(self, run: BackfillRun) -> None:
        """Ask whoever runs it to end. Raises `kith.errors.Unavailable`."""
        self._publish(run.run_id.encode() + _STOP, self._codec.encode(self._topic.subject, run))

    def stop_asked(self, run_id: str) -> StopAsked:
        """What hears of it when, from now on, somebody asks a run to end."""
        return StopAsked(self._config, self._topic.name, run_id.encode() + _STOP)

    def _publish(self, key: bytes, value: bytes) -> None:
        self._publisher.publish([Outgoing(self._topic.name, key, value)], Deadline.after(self._timeout_s))


class StopAsked:
    """Listens on the topic of the runs, while it is entered."""

    def __init__(self, config: dict[str, Any], topic: str, key: bytes) -> None:
        self._consumer = Consumer(
            config | {"group.id": f"kith-stop-{uuid.uuid4()}", "enable.auto.commit": False, "log_level": 0}
        )
        ends = topic_ends(config, topic)
        self._consumer.assign([TopicPartition(topic, number, end) for number, end in ends.items()])
        self._key = key
        self._heard = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def heard(self) -> bool:
        """Whether it was asked to end."""
        while not self._heard and (message := self._consumer.poll(0)) is not None:
            self._heard = message.error() is None and message.key() == self._key
        return self._heard
