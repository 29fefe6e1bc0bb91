"""How far a consumer group has come."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from kith.errors import Unavailable

_TIMEOUT_S = 10.0


def committed(config: dict[str, Any], group: str, topic: str, partitions: Iterable[int]) -> dict[int, int]:
    """Committed offsets of a group, the next to consume, by partition; one without a commit has no entry.

    Raises:
        Unavailable: the brokers do not answer.
    """
    admin = AdminClient(config | {"log_level": 0})
    wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, number) for number in partitions])
    try:
        (answer,) = admin.list_consumer_group_offsets([wanted], request_timeout=_TIMEOUT_S).values()
        found = answer.result(_TIMEOUT_S).topic_partitions
    except KafkaException as error:
        raise Unavailable(
            f"Kafka at {config['bootstrap.servers']} does not tell the offsets of {group}: {error.args[0].str()}.",
            "Check that the brokers are up, and the rights to describe groups.",
        ) from error
    return {place.partition: place.offset for place in found if place.offset >= 0}
