"""How far a consumer group has come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from kith.errors import Unavailable

_TIMEOUT_S = 10.0

Place = tuple[str, int]


class GroupOffsets:
    """Reads a group's committed offsets without joining it.

    A consumer, not the admin client, which ends the process when a coordinator has just moved (librdkafka issue 5040).

    Args:
        config: librdkafka configuration to reach the cluster.
    """

    def __init__(self, config: dict[str, Any], group: str) -> None:
        self._consumer = Consumer(config | {"group.id": group, "enable.auto.commit": False, "log_level": 0})

    def committed(self, places: Iterable[Place], timeout_s: float = _TIMEOUT_S) -> dict[Place, int]:
        """The next offset to consume of each topic and partition; one without a commit has no entry.

        Raises:
            confluent_kafka.KafkaException: the brokers do not answer.
        """
        wanted = [TopicPartition(topic, partition) for topic, partition in places]
        found = self._consumer.committed(wanted, timeout=timeout_s)
        for place in found:
            if place.error is not None:
                raise KafkaException(place.error)
        return {(place.topic, place.partition): place.offset for place in found if place.offset >= 0}

    def commit(self, offsets: Mapping[Place, int]) -> None:
        """Commit the next offsets to consume, for a group without members.

        Raises:
            confluent_kafka.KafkaException: the brokers do not answer, or the group has members.
        """
        if offsets:
            wanted = [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]
            self._consumer.commit(offsets=wanted, asynchronous=False)

    def close(self) -> None:
        """Give the connections back."""
        self._consumer.close()


def committed(config: dict[str, Any], group: str, topic: str, partitions: Iterable[int]) -> Mapping[int, int]:
    """Committed offsets of a group, the next to consume, by partition; one without a commit has no entry.

    Raises:
        Unavailable: the brokers do not answer.
    """
    offsets = GroupOffsets(config, group)
    try:
        found = offsets.committed((topic, number) for number in partitions)
    except KafkaException as error:
        raise Unavailable(
            f"Kafka at {config['bootstrap.servers']} does not tell the offsets of {group}: {error.args[0].str()}.",
            "Check that the brokers are up, and the rights to describe groups.",
        ) from error
    finally:
        offsets.close()
    return {partition: offset for (_topic, partition), offset in found.items()}


def begin_at(config: dict[str, Any], group: str, offsets: Mapping[Place, int]) -> None:
    """Let a group that has no members begin at these offsets; where it has a commit already, that one stays.

    Raises:
        Unavailable: the brokers do not answer, or the group has members.
    """
    held = GroupOffsets(config, group)
    try:
        there = held.committed(offsets)
        held.commit({place: offset for place, offset in offsets.items() if place not in there})
    except KafkaException as error:
        raise Unavailable(
            f"Kafka at {config['bootstrap.servers']} does not take the offsets of {group}: {error.args[0].str()}.",
            "Check that the brokers are up, and that no indexer of this model runs yet.",
        ) from error
    finally:
        held.close()
