"""How many records wait for the consumer group, looked at every few seconds beside the stream."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import structlog
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from kith import metrics
from kith.aside import Aside
from streams.groups import GroupOffsets, Place

_EVERY_S = 2.0
_TIMEOUT_S = 5.0

log = structlog.get_logger(__name__)


class GroupLag:
    """Asks how many records wait for a consumer group, partition by partition.

    Args:
        config: librdkafka configuration to reach the cluster.
        places: topics and partitions that the group consumes.
    """

    def __init__(self, config: dict[str, Any], group: str, places: Sequence[Place]) -> None:
        self._places = tuple(places)
        self._admin = AdminClient(config | {"log_level": 0})
        self._offsets = GroupOffsets(config, group)

    def look(self) -> dict[Place, int]:
        """Records that wait, now.

        Raises:
            confluent_kafka.KafkaException, TimeoutError: the brokers do not answer. Ask with a new one then: an old one
                goes on with the leader epoch of a broker that was restarted.
        """
        wanted = [TopicPartition(topic, partition) for topic, partition in self._places]
        first, last = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call]
        ends = self._admin.list_offsets(dict.fromkeys(wanted, last), request_timeout=_TIMEOUT_S)
        starts = self._admin.list_offsets(dict.fromkeys(wanted, first), request_timeout=_TIMEOUT_S)
        committed = self._offsets.committed(self._places, _TIMEOUT_S)
        lags = {}
        for place, end in ends.items():
            reached = max(committed.get((place.topic, place.partition), -1), starts[place].result(_TIMEOUT_S).offset)
            lags[place.topic, place.partition] = max(0, end.result(_TIMEOUT_S).offset - reached)
        return lags

    def close(self) -> None:
        """Give the connections back."""
        self._offsets.close()


class LagWatch(Aside):
    """Knows the lag of each partition, while it is entered; a thread of its own asks.

    Args:
        config: librdkafka configuration to reach the cluster.
        places: topics and partitions that the group consumes.
    """

    def __init__(self, config: dict[str, Any], group: str, places: Sequence[Place]) -> None:
        super().__init__("lag", self._watch, 2 * _TIMEOUT_S)
        self._config = config
        self._group = group
        self._places = tuple(places)
        self._lags: Mapping[Place, int] | None = None

    def behind(self, assigned: Collection[Place]) -> int | None:
        """Records that wait in these partitions; None while that is not known."""
        lags = self._lags
        return None if lags is None else sum(lags.get(place, 0) for place in assigned)

    def _watch(self) -> None:
        while not self.ended.is_set():
            group = GroupLag(self._config, self._group, self._places)
            try:
                self._look_until_it_fails(group)
            except (KafkaException, TimeoutError) as error:
                self._lags = None
                log.warning("lag is not known", reason=str(error))
                self.ended.wait(_EVERY_S)
            finally:
                group.close()

    def _look_until_it_fails(self, group: GroupLag) -> None:
        while True:
            self._lags = group.look()
            for (topic, partition), lag in self._lags.items():
                metrics.LAG_RECORDS.labels(self._group, topic, str(partition)).set(lag)
            if self.ended.wait(_EVERY_S):
                return
