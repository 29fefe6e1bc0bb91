"""A consumer group as it is now: its members, what waits for it, and how fast it moves."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from kith.errors import Unavailable
from streams.groups import GroupOffsets, Place
from streams.lag import GroupLag

_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """One consumer group.

    Attributes:
        members: consumers that belong to it now.
        waiting: records that wait, by topic.
        records_per_s: records that it passed between two looks, a second.
    """

    group: str
    members: int
    waiting: Mapping[str, int]
    records_per_s: float


def group_status(config: dict[str, Any], group: str, places: Sequence[Place], between_s: float = 1.0) -> GroupStatus:
    """Look twice, some time apart; blocking.

    Args:
        config: librdkafka configuration to reach the cluster.
        places: topics and partitions that the group consumes.

    Raises:
        Unavailable: the brokers do not answer.
    """
    try:
        before, began = _committed(config, group, places), time.monotonic()
        members = _members(config, group)
        waiting = _waiting(config, group, places)
        time.sleep(max(0.0, between_s - (time.monotonic() - began)))  # noqa: TID251 (a command of its own)
        after, took_s = _committed(config, group, places), time.monotonic() - began
    except (KafkaException, TimeoutError) as error:
        raise Unavailable(
            f"Kafka at {config['bootstrap.servers']} does not tell of {group}: {error}.",
            "Check that the brokers are up, and the rights to describe groups.",
        ) from error
    passed = sum(offset - before[place] for place, offset in after.items() if place in before)
    return GroupStatus(group, members, waiting, max(0.0, passed / took_s))


def _committed(config: dict[str, Any], group: str, places: Sequence[Place]) -> dict[Place, int]:
    offsets = GroupOffsets(config, group)
    try:
        return offsets.committed(places, _TIMEOUT_S)
    finally:
        offsets.close()


def _members(config: dict[str, Any], group: str) -> int:
    admin = AdminClient(config | {"log_level": 0})
    described = admin.describe_consumer_groups([group], request_timeout=_TIMEOUT_S)[group].result(_TIMEOUT_S)
    return len(described.members)


def _waiting(config: dict[str, Any], group: str, places: Sequence[Place]) -> dict[str, int]:
    lag = GroupLag(config, group, places)
    try:
        found = lag.look()
    finally:
        lag.close()
    sums: dict[str, int] = {topic: 0 for topic, _partition in places}
    for (topic, _partition), waiting in found.items():
        sums[topic] += waiting
    return sums
