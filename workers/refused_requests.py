"""Requests that nobody can be told about, since they name no usable reply topic: kept as dead letters, bounded."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from kith import metrics
from kith.errors import Unavailable
from schemas import headers
from schemas.codec import Codec
from schemas.dead_letters import dead_letter_headers, letter_key
from schemas.records import DeadLetter, Stage
from schemas.topics import Topic
from schemas.trace_headers import trace_headers

log = structlog.get_logger(__name__)

# One client that is wrong about its reply topic says so with its first letters; a flood adds nothing but load.
_BURST = 100
_PER_S = 10.0
# What may wait in memory: twice the burst, of the largest requests.
_QUEUED = 2 * _BURST
_SHOWN_CHARS = 300

_REASONS = {
    "no_reply_topic": f"The header {headers.REPLY_TOPIC} is missing or empty",
    "reply_topic_not_allowed": f"The header {headers.REPLY_TOPIC} names a topic that replies may not be written to",
}


class RefusedRequests:
    """Writes the dead letters of requests; never waits while a request is read, never raises for one.

    At most 100 at once and then 10 a second are kept; what is left out is counted and logged by whoever refused it.

    Args:
        config: librdkafka configuration to reach the cluster.
        topic: the dead letters of search requests.
        clock: seconds, monotonic.
    """

    def __init__(
        self, config: dict[str, Any], codec: Codec, topic: Topic, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._codec = codec
        self._topic = topic
        self._clock = clock
        self._allowed, self._looked_at = float(_BURST), clock()
        self._producer = Producer(
            config
            | {
                "enable.idempotence": True,
                "message.timeout.ms": 10_000,
                "message.max.bytes": topic.max_message_bytes,
                "queue.buffering.max.messages": _QUEUED,
                "topic.metadata.propagation.max.ms": 2000,
                "log_level": 0,
            }
        )

    def declare(self) -> None:
        """Register the contract, so that the registry may be away later.

        Raises:
            Unavailable: the registry does not answer.
            kith.errors.InputError: the registry refuses the contract.
        """
        self._codec.encode(self._topic.subject, DeadLetter("", 0, 0, None, None, Stage.VALIDATE, "", "", 1, 0, 0))

    def keep(self, reason: str, message: Message) -> None:
        """Keep a request with its reason and its bytes, as far as the bounds allow."""
        if not self._may():
            self._count("left_out")
            return
        letter = _letter(reason, message, int(time.time() * 1000))
        try:
            self._producer.produce(
                self._topic.name,
                self._codec.encode(self._topic.subject, letter),
                letter_key(letter),
                headers=[*dead_letter_headers(letter), *trace_headers(message.headers())],
                on_delivery=self._delivered,
            )
        except (BufferError, KafkaException, Unavailable) as error:
            self._count("failed")
            log.warning("dead letter dropped", offset=letter.offset, reason=str(error))
        self._producer.poll(0)

    def flush(self, timeout_s: float) -> None:
        """Wait until what was kept is acknowledged or given up; returns at once when there is nothing."""
        self._producer.flush(timeout_s)

    def _may(self) -> bool:
        now = self._clock()
        self._allowed = min(float(_BURST), self._allowed + _PER_S * (now - self._looked_at))
        self._looked_at = now
        if self._allowed < 1:
            return False
        self._allowed -= 1
        return True

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        self._count("kept" if error is None else "failed")
        if error is not None:
            log.warning("dead letter dropped", topic=self._topic.name, reason=error.str())

    @staticmethod
    def _count(outcome: str) -> None:
        metrics.SEARCH_DEAD_LETTERS.labels(outcome=outcome).inc()


def _letter(reason: str, message: Message, now_ms: int) -> DeadLetter:
    given = headers.header(message.headers(), headers.REPLY_TOPIC)
    shown = "" if not given else f": {given.decode(errors='replace')[:_SHOWN_CHARS]!r}"
    return DeadLetter(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        key=message.key(),
        value=message.value(),
        stage=Stage.VALIDATE,
        error_class=reason,
        message=f"{_REASONS.get(reason, reason)}{shown}.",
        attempts=1,
        first_at=now_ms,
        last_at=now_ms,
    )
