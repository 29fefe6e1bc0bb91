"""How far the indexers have come: what the index holds, record by record of the change stream."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from kith.aside import Aside
from kith.deadline import Deadline
from schemas.codec import Codec
from schemas.search_records import AppliedRecord, RecordPlace
from workers.event_times import EventTimes

log = structlog.get_logger(__name__)

Place = tuple[str, int]

# Whoever waits for a record is answered this much later at most.
_EVERY_S = 0.1
_TIMEOUT_S = 5.0
_AGAIN_S = 1.0
# A model that nobody asked for so long is not followed any more.
_FORGET_S = 30.0
# Event times are told as they were so long ago at most.
_TIMES_EVERY_S = 1.0


class Watermarks(Aside):
    """Follows the commits of indexers: a record's changes are in the index before its offset is committed.

    Entered, a thread of its own asks for the models that are asked for.

    Args:
        config: librdkafka configuration to reach the cluster.
        group_of: consumer group of the indexer of a release.
        topics: inputs of the indexers.
        codec: reads their records, for event times.
    """

    def __init__(
        self, config: dict[str, Any], group_of: Callable[[str], str], topics: Collection[str], codec: Codec
    ) -> None:
        super().__init__("watermarks", self._follow, 2 * _TIMEOUT_S)
        self._config = config | {"enable.auto.commit": False, "log_level": 0}
        self._group_of = group_of
        self._topics = tuple(topics)
        self._codec = codec
        self._lock = threading.Lock()
        self._wanted: dict[str, Deadline] = {}
        self._next: dict[str, Mapping[Place, int]] = {}
        self._times: dict[str, Mapping[Place, int | None]] = {}

    def of(self, model: str) -> list[AppliedRecord]:
        """The last record of each partition that the model's index holds; empty while that is not known."""
        with self._lock:
            self._wanted[model] = Deadline.after(_FORGET_S)
            found, times = self._next.get(model, {}), self._times.get(model, {})
        return [
            AppliedRecord(topic, number, offset - 1, times.get((topic, number)))
            for (topic, number), offset in sorted(found.items())
            if offset
        ]

    def _follow(self) -> None:
        asked: dict[str, _Group] = {}
        while not self.ended.wait(_EVERY_S):
            models = self._followed()
            for model in asked.keys() - set(models):
                asked.pop(model).close()
            for model in models:
                if model not in asked:
                    asked[model] = _Group(self._config, self._group_of(model), self._topics, self._codec)
                try:
                    reached = asked[model].reached()
                except KafkaException as error:
                    log.warning("the watermark is not known", model=model, reason=error.args[0].str())
                    # An old client goes on with the coordinator of a broker that was restarted.
                    asked.pop(model).close()
                    reached = {}
                    self.ended.wait(_AGAIN_S)
                with self._lock:
                    self._next[model] = reached
                if model in asked:
                    times = asked[model].times(reached)
                    with self._lock:
                        self._times[model] = times
        for group in asked.values():
            group.close()

    def _followed(self) -> Sequence[str]:
        with self._lock:
            for model in [model for model, until in self._wanted.items() if until.expired()]:
                del self._wanted[model]
                self._next.pop(model, None)
                self._times.pop(model, None)
            return list(self._wanted)


class _Group:
    """The commits of one consumer group, read without joining it."""

    def __init__(self, config: dict[str, Any], group: str, topics: Sequence[str], codec: Codec) -> None:
        self._consumer = Consumer(config | {"group.id": group})
        self._event_times = EventTimes(config, codec)
        self._times: dict[Place, int | None] = {}
        self._asked: Mapping[Place, int] = {}
        self._told: dict[Place, int] = {}
        self._look_again = Deadline.after(0)
        self._topics = topics
        self._places: list[TopicPartition] = []

    def reached(self) -> dict[Place, int]:
        """The next offset to consume of each topic and partition. Raises `KafkaException`."""
        if not self._places:
            held = {name: self._consumer.list_topics(name, timeout=_TIMEOUT_S).topics[name] for name in self._topics}
            self._places = [TopicPartition(name, number) for name, found in held.items() for number in found.partitions]
        found = self._consumer.committed(self._places, timeout=_TIMEOUT_S)
        if failed := next((one.error for one in found if one.error is not None), None):
            raise KafkaException(failed)
        return {(one.topic, one.partition): one.offset for one in found if one.offset >= 0}

    def times(self, reached: Mapping[Place, int]) -> Mapping[Place, int | None]:
        """Event times of the last records, as far as they came; those that moved are asked for, none is waited for."""
        for place, at in self._event_times.come().items():
            self._times[place], self._told[place] = at, self._asked[place]
        if self._event_times.idle() and self._look_again.expired():
            self._asked = {place: offset - 1 for place, offset in reached.items() if offset}
            if moved := {place: at for place, at in self._asked.items() if self._told.get(place) != at}:
                self._look_again = Deadline.after(_TIMES_EVERY_S)
                self._event_times.ask(moved)
        return dict(self._times)

    def close(self) -> None:
        self._consumer.close()
        self._event_times.close()


def holds(watermark: Sequence[AppliedRecord], at_least: Sequence[RecordPlace]) -> bool:
    """Whether an index with this watermark holds these records' changes. Pure."""
    reached = {(one.topic, one.partition): one.offset for one in watermark}
    return all(reached.get((one.topic, one.partition), -1) >= one.offset for one in at_least)
