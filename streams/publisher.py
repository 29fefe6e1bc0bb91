"""Records onto topics, acknowledged by every in-sync replica before anybody relies on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from kith.deadline import Deadline
from kith.errors import InputError, Unavailable
from schemas.headers import Headers

# Errors of one record, not of the cluster: trying again cannot help.
REFUSED = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD, KafkaError.TOPIC_AUTHORIZATION_FAILED})

# What librdkafka calls an unassigned partition.
_BY_KEY = -1


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to publish. `value` None is a tombstone; `partition` None leaves the choice to the key."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers | None = None
    partition: int | None = None


class Publisher:
    """An idempotent producer (acks=all). Every call is blocking: keep it off an event loop.

    Args:
        config: librdkafka configuration to reach the cluster.
        linger_ms: how long a record may wait for company, milliseconds.
        max_record_bytes: largest record this side sends; the broker's own limit stands beside it.
    """

    def __init__(self, config: dict[str, Any], *, linger_ms: int = 5, max_record_bytes: int = 2_097_152) -> None:
        self._producer = Producer(
            config
            | {
                "enable.idempotence": True,
                "linger.ms": linger_ms,
                "compression.type": "lz4",
                # The broker holds a whole batch against the topic's max.message.bytes; a refused one is not split.
                "batch.size": 65_536,
                # Failures are reported by us, once, in a sentence.
                "log_level": 0,
                "message.max.bytes": max_record_bytes,
                "queue.buffering.max.messages": 20_000,
                "delivery.timeout.ms": 60_000,
            }
        )
        self._bootstrap = config["bootstrap.servers"]

    def publish(self, records: Sequence[Outgoing], deadline: Deadline) -> dict[tuple[str, int], int]:
        """Send records and wait until each is acknowledged.

        Returns:
            The highest offset of them, by topic and partition.

        Raises:
            InputError: the cluster refuses a record for good (its size, its topic).
            Unavailable: not all were acknowledged in time; any of them may have been.
        """
        failed: list[KafkaError] = []
        settled = 0
        highest: dict[tuple[str, int], int] = {}

        def acknowledged(error: KafkaError | None, message: Message) -> None:
            nonlocal settled
            settled += 1
            if error is not None:
                failed.append(error)
                return
            place, offset = _place(message)
            highest[place] = max(highest.get(place, -1), offset)

        for record in records:
            self._hand_over(record, acknowledged, deadline)
        self.flush(deadline)
        if failed:
            self._raise(failed[0], len(failed), len(records))
        if left := len(records) - settled:
            # The caller publishes them all again: what still waits here would only come twice.
            self._producer.purge(in_queue=True, in_flight=False)
            raise Unavailable(
                f"Kafka at {self._bootstrap} left {left} of {len(records)} records unacknowledged.",
                "Check that the brokers are up and in-sync replicas suffice.",
            )
        return highest

    def enqueue(
        self, record: Outgoing, acknowledged: Callable[[KafkaError | None, Message], None], deadline: Deadline
    ) -> None:
        """Hand a record over; `acknowledged` is called from `enqueue` or `flush` once its fate is known.

        Raises:
            InputError: the record is larger than this side may send.
            Unavailable: the queue stayed full until the deadline.
        """
        self._hand_over(record, acknowledged, deadline)
        self._producer.poll(0)

    def _hand_over(
        self, record: Outgoing, acknowledged: Callable[[KafkaError | None, Message], None], deadline: Deadline
    ) -> None:
        while True:
            try:
                self._producer.produce(
                    record.topic,
                    record.value,
                    record.key,
                    _BY_KEY if record.partition is None else record.partition,
                    on_delivery=acknowledged,
                    headers=record.headers or [],
                )
            except BufferError:
                if deadline.expired():
                    raise Unavailable(
                        f"The queue to Kafka at {self._bootstrap} stayed full.", "Check that the brokers are up."
                    ) from None
                self._producer.poll(min(0.5, deadline.remaining()))
            except KafkaException as error:
                self._raise(error.args[0], 1, 1)
            else:
                return

    def flush(self, deadline: Deadline) -> int:
        """Wait for outstanding acknowledgements; returns how many are still missing at the deadline."""
        return int(self._producer.flush(deadline.remaining()))

    def _raise(self, error: KafkaError, failed: int, of: int) -> None:
        if error.code() in REFUSED:
            raise InputError(f"Kafka refuses a record for good: {error.str()}.")
        raise Unavailable(
            f"{failed} of {of} records were not acknowledged by Kafka at {self._bootstrap}: {error.str()}.",
            "Check that the brokers are up.",
        )


def _place(message: Message) -> tuple[tuple[str, int], int]:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if topic is None or partition is None or offset is None:
        raise AssertionError("An acknowledged record without its place. This is a bug.")
    return (topic, partition), offset
