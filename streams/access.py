"""Rights on the cluster: grant what is declared, tell what this user lacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from kith.deadline import Deadline
from kith.errors import InputError, Unavailable
from schemas.access import Operation, Resource, Right

_TIMEOUT_S = 5.0
_LOOK_S = 0.3
_OPERATIONS = {
    Operation.READ: AclOperation.READ,
    Operation.WRITE: AclOperation.WRITE,
    Operation.DESCRIBE: AclOperation.DESCRIBE,
    Operation.ALL: AclOperation.ALL,
}
_RESOURCES = {Resource.TOPIC: ResourceType.TOPIC, Resource.GROUP: ResourceType.GROUP}
# Not a name that Kafka allows: asked and committed for a topic that is nowhere, a group stays as it is.
_NO_TOPIC = "kith/none"


class AccessAdmin:
    """Grants rights, and asks for those of its own user.

    Args:
        config: librdkafka configuration to reach the cluster.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._bootstrap = config["bootstrap.servers"]
        self._admin = AdminClient(config | {"socket.timeout.ms": 5000, "log_level": 0})

    def grant(self, principal: str, rights: Sequence[Right]) -> None:
        """Allow a principal (`User:name`) these, from any host; repeating is harmless.

        Raises:
            InputError: the cluster has no authorizer, or this user may not grant.
            Unavailable: the cluster does not answer.
        """
        bindings = [_binding(principal, right) for right in rights]
        for future in self._admin.create_acls(bindings, request_timeout=_TIMEOUT_S).values():
            try:
                future.result(_TIMEOUT_S)
            except KafkaException as error:
                raise self._refused(error.args[0]) from error
            except TimeoutError as error:
                raise self._away("no answer in time") from error

    def lacks(self, rights: Sequence[Right]) -> list[Right]:
        """Which of these the user of this process does not have; a topic that is not there is none of them.

        Raises:
            Unavailable: the cluster does not answer.
        """
        topics = sorted({right.name for right in rights if right.resource is Resource.TOPIC})
        found = self._admin.describe_topics(
            TopicCollection(topics), include_authorized_operations=True, request_timeout=_TIMEOUT_S
        )
        held = {(Resource.TOPIC, name): self._operations(future) for name, future in found.items()}
        lacking = [right for right in rights if _is_lacking(right, held.get((right.resource, right.name)))]
        groups = [right for right in rights if right.resource is Resource.GROUP]
        return lacking + [right for right in groups if self._is_closed(right)]

    def _operations(self, described: Any) -> set[Any] | None:
        try:
            operations = described.result(_TIMEOUT_S).authorized_operations
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                return set()
            if code == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            raise self._away(error.args[0].str()) from error
        except TimeoutError as error:
            raise self._away("no answer in time") from error
        return None if operations is None else set(operations)

    def _is_closed(self, right: Right) -> bool:
        # A consumer, not the admin client, which ends the process when a coordinator has just moved.
        consumer = Consumer(self._config | {"group.id": right.name, "enable.auto.commit": False, "log_level": 0})
        deadline = Deadline.after(_TIMEOUT_S)
        try:
            while not deadline.expired():
                if (answer := _described(consumer)) is not None:
                    refused = answer == KafkaError.GROUP_AUTHORIZATION_FAILED
                    return refused or (right.operation is not Operation.DESCRIBE and not _may_commit(consumer))
        finally:
            consumer.close()
        raise self._away("no answer in time")

    def _refused(self, error: KafkaError) -> InputError | Unavailable:
        if error.code() == KafkaError.SECURITY_DISABLED:
            return InputError(
                f"Kafka at {self._bootstrap} has no authorizer.", "Set authorizer.class.name on the brokers."
            )
        if error.code() == KafkaError.CLUSTER_AUTHORIZATION_FAILED:
            return InputError(f"This user may not grant rights on Kafka at {self._bootstrap}.", "Use one that may.")
        return self._away(error.str())

    def _away(self, reason: str) -> Unavailable:
        return Unavailable(
            f"Kafka at {self._bootstrap} does not answer ({reason}).",
            "Check KITH_KAFKA_BOOTSTRAP and that the brokers are up.",
        )


def _described(consumer: Consumer) -> int | None:
    """What Kafka says of the consumer's group: 0, or the code of its refusal; None while it has said nothing."""
    try:
        consumer.committed([TopicPartition(_NO_TOPIC, 0)], timeout=_LOOK_S)
    except KafkaException:
        # The coordinator's refusal comes to the consumer as an event, while the call only times out.
        message = consumer.poll(0)
        error = None if message is None else message.error()
        return None if error is None else int(error.code())
    return 0


def _may_commit(consumer: Consumer) -> bool:
    """Whether the user may read the group: Kafka looks at that first, and then at a topic that nobody can have."""
    try:
        consumer.commit(offsets=[TopicPartition(_NO_TOPIC, 0, 0)], asynchronous=False)
    except KafkaException as error:
        return bool(error.args[0].code() != KafkaError.GROUP_AUTHORIZATION_FAILED)
    return True


def _binding(principal: str, right: Right) -> AclBinding:
    pattern = ResourcePatternType.PREFIXED if right.prefixed else ResourcePatternType.LITERAL
    operation = _OPERATIONS[right.operation]
    return AclBinding(
        _RESOURCES[right.resource], right.name, pattern, principal, "*", operation, AclPermissionType.ALLOW
    )


def _is_lacking(right: Right, held: set[Any] | None) -> bool:
    if held is None:
        return False
    return not held & {_OPERATIONS[right.operation], AclOperation.ALL}
