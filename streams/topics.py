"""Topics on the cluster: create what is declared, show where the cluster differs, change nothing that exists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType  # type: ignore[attr-defined]

from kith.errors import Unavailable
from schemas.topics import Topic

_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Drift:
    """One setting of a topic that differs on the cluster from what is declared."""

    topic: str
    setting: str
    declared: str
    found: str


@dataclass(frozen=True, slots=True)
class TopicReport:
    """What `apply` found and did: names created, names that were there, and where those differ."""

    created: list[str]
    existing: list[str]
    drift: list[Drift]


class TopicAdmin:
    """Creates and compares topics.

    Args:
        config: librdkafka configuration to reach the cluster.
        partitions, replication_factor: for every topic that is created.
    """

    def __init__(self, config: dict[str, Any], partitions: int, replication_factor: int) -> None:
        self._bootstrap = config["bootstrap.servers"]
        self._admin = AdminClient(config | {"socket.timeout.ms": 5000, "log_level": 0})
        self._partitions = partitions
        self._replication_factor = replication_factor

    def apply(self, topics: Sequence[Topic], *, dry_run: bool = False) -> TopicReport:
        """Create the missing topics; compare the others.

        Raises:
            Unavailable: the cluster does not answer, or refused to create a topic for now.
        """
        held = self.partitions_held()
        missing = [topic for topic in topics if topic.name not in held]
        existing = [topic for topic in topics if topic.name in held]
        if missing and not dry_run:
            self._create(missing)
        return TopicReport([t.name for t in missing], [t.name for t in existing], self._compare(existing, held))

    def partitions_held(self) -> dict[str, int]:
        """Partition count of each topic on the cluster.

        Raises:
            Unavailable: the cluster does not answer.
        """
        try:
            metadata = self._admin.list_topics(timeout=_TIMEOUT_S)
        except KafkaException as error:
            raise Unavailable(
                f"Kafka at {self._bootstrap} does not answer ({error.args[0].str()}).",
                "Check KITH_KAFKA_BOOTSTRAP and that the brokers are up, or start local ones with `kith up`.",
            ) from error
        return {name: len(topic.partitions) for name, topic in metadata.topics.items()}

    def delete_topic(self, name: str) -> None:
        """Delete a topic with all that it holds; one that is not there is no error.

        Raises:
            Unavailable: the cluster does not answer, or does not let this user delete it.
        """
        if name in self.partitions_held():
            self._done(f"delete the topic {name}", self._admin.delete_topics([name], request_timeout=_TIMEOUT_S)[name])

    def delete_group(self, group: str) -> None:
        """Delete the offsets of a consumer group without members; one that is not there is no error.

        Raises:
            Unavailable: the cluster does not answer, or the group has members.
        """
        future = self._admin.delete_consumer_groups([group], request_timeout=_TIMEOUT_S)[group]
        self._done(f"delete the group {group}", future, absent=KafkaError.GROUP_ID_NOT_FOUND)

    def _done(self, what: str, future: Any, absent: int | None = None) -> None:
        try:
            future.result(_TIMEOUT_S)
        except KafkaException as error:
            if error.args[0].code() != absent:
                raise Unavailable(
                    f"Kafka at {self._bootstrap} does not {what} ({error.args[0].str()}).",
                    "Check that the brokers are up, and that no indexer of this model runs.",
                ) from error

    def ids(self, names: Sequence[str]) -> dict[str, str]:
        """Kafka's id of each topic: one that was deleted and created again has another.

        Raises:
            Unavailable: the cluster does not answer, or has no such topic.
        """
        found = self._admin.describe_topics(TopicCollection(list(names)), request_timeout=_TIMEOUT_S)
        try:
            return {name: str(future.result(_TIMEOUT_S).topic_id) for name, future in found.items()}
        except KafkaException as error:
            raise Unavailable(
                f"Kafka at {self._bootstrap} does not describe its topics ({error.args[0].str()}).",
                "Check that the brokers are up, and create the topics with `kith topics apply`.",
            ) from error

    def _create(self, topics: Sequence[Topic]) -> None:
        new = [
            NewTopic(topic.name, self._partitions, self._replication_factor, config=topic.config()) for topic in topics
        ]
        for name, future in self._admin.create_topics(new, operation_timeout=_TIMEOUT_S).items():
            try:
                future.result()
            except KafkaException as error:
                # Another process created it meanwhile: that is what was wanted.
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise Unavailable(
                        f"Kafka did not create topic {name}: {error.args[0].str()}.",
                        "Check KITH_REPLICATION_FACTOR against the number of brokers, and the rights to create topics.",
                    ) from error

    def _compare(self, topics: Sequence[Topic], held: dict[str, int]) -> list[Drift]:
        drift = [
            Drift(topic.name, "partitions", str(self._partitions), str(held[topic.name]))
            for topic in topics
            if held[topic.name] != self._partitions
        ]
        resources = {ConfigResource(ResourceType.TOPIC, topic.name): topic for topic in topics}
        if not resources:
            return drift
        for resource, future in self._admin.describe_configs(list(resources)).items():
            topic, found = resources[resource], future.result(_TIMEOUT_S)
            for setting, declared in topic.config().items():
                if found[setting].value != declared:
                    drift.append(Drift(topic.name, setting, declared, found[setting].value))
        return drift
