"""Follows the rollout and what is observed of it, over the bus; ends it by itself when a guardrail is broken."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, Producer, TopicPartition

from kith import metrics
from kith.aside import Aside
from kith.deadline import Deadline
from kith.errors import KithError, Unavailable
from schemas.codec import Codec, DecodeError
from schemas.registry import UnknownSchema
from schemas.rollouts import SERVING, Rollout, RolloutPhase, SearchFeedback, SearchObservation
from schemas.topics import Topics
from workers.guardrails import Observed

log = structlog.get_logger(__name__)

_POLL_S = 0.1
_JUDGE_EVERY_S = 0.5
_CONNECT_S = 10.0
_AGAIN_S = 2.0
_FLUSH_S = 5.0


class RolloutWatch(Aside):
    """Knows the rollout that is under way; entered, a thread of its own listens.

    Every query consumer sees the observations of all of them, so each judges the same and whoever is first ends the
    rollout: writing that twice says the same twice.

    Args:
        config: librdkafka configuration to reach the cluster.
    """

    def __init__(self, config: dict[str, Any], codec: Codec, topics: Topics) -> None:
        super().__init__("rollout", self._run, 2 * _CONNECT_S)
        self._config = config | {"log_level": 0}
        self._codec = codec
        self._topics = topics
        self._producer = Producer(self._config | {"acks": "all", "linger.ms": 20, "message.timeout.ms": 10_000})
        self._now: Rollout | None = None
        self._observed: Observed | None = None
        self._judge_again = Deadline.after(0)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._producer.flush(_FLUSH_S)

    def current(self) -> Rollout | None:
        """The rollout that is under way; None when there is none, or nothing is known yet."""
        return self._now

    def observe(self, one: SearchObservation) -> None:
        """Publish an observation; one that finds no room is dropped, for answers must not wait for it."""
        self._publish(self._topics.observations.name, None, self._codec.encode(self._topics.observations.subject, one))

    def _publish(self, topic: str, key: bytes | None, value: bytes) -> None:
        try:
            self._producer.produce(topic, value, key)
        except BufferError:
            metrics.ROLLOUT_SKIPPED.labels(reason="queue_full").inc()
        self._producer.poll(0)

    def _run(self) -> None:
        while not self.ended.is_set():
            consumer = Consumer(
                self._config | {"group.id": f"kith-rollout-{uuid.uuid4()}", "enable.auto.commit": False}
            )
            try:
                self._listen(consumer)
            except (KafkaException, KithError) as error:
                log.warning("the rollout is not followed", reason=str(error))
                self.ended.wait(_AGAIN_S)
            finally:
                consumer.close()

    def _listen(self, consumer: Consumer) -> None:
        self._assign(consumer)
        takers: dict[str, Callable[[bytes], None]] = {
            self._topics.rollouts.name: self._take_rollout,
            self._topics.observations.name: self._take_observation,
            self._topics.feedback.name: self._take_feedback,
        }
        while not self.ended.is_set():
            message = consumer.poll(_POLL_S)
            self._producer.poll(0)
            if message is not None:
                _hand_over(message, takers)
            if self._judge_again.expired():
                self._judge_again = Deadline.after(_JUDGE_EVERY_S)
                self._judge()

    def _assign(self, consumer: Consumer) -> None:
        """Listen from now on, to the rollouts from their beginning."""
        places = []
        for topic in (self._topics.rollouts, self._topics.observations, self._topics.feedback):
            found = consumer.list_topics(topic.name, timeout=_CONNECT_S).topics[topic.name]
            if found.error is not None:
                raise Unavailable(f"The topic {topic.name} does not exist.", "Run `kith topics apply`.")
            for number in found.partitions:
                _low, high = consumer.get_watermark_offsets(TopicPartition(topic.name, number), timeout=_CONNECT_S)
                begin = OFFSET_BEGINNING if topic is self._topics.rollouts else high
                places.append(TopicPartition(topic.name, number, begin))
        consumer.assign(places)

    def _take_rollout(self, value: bytes) -> None:
        one = self._codec.decode(value, Rollout)
        if self._now is not None and one.started_at < self._now.started_at:
            return
        if self._now is None or one.changed_at != self._now.changed_at or one.candidate != self._now.candidate:
            self._observed = Observed(one)
            log.info("rollout", candidate=one.candidate, phase=one.phase.value, ramp_percent=one.ramp_percent)
        self._now = one

    def _take_observation(self, value: bytes) -> None:
        if self._observed is not None:
            self._observed.take(self._codec.decode(value, SearchObservation))

    def _take_feedback(self, value: bytes) -> None:
        if self._observed is not None:
            self._observed.take_feedback(self._codec.decode(value, SearchFeedback))

    def _judge(self) -> None:
        rollout, observed = self._now, self._observed
        if rollout is None or observed is None or rollout.phase not in SERVING:
            return
        said = observed.broken()
        if said is None:
            return
        ended = rollout.moved(
            RolloutPhase.ROLLED_BACK,
            int(time.time() * 1000),
            reason=f"guardrail: {said}",
            ramp_percent=0,
            shadow_percent=0,
            figures=rollout.figures | observed.figures(),
        )
        log.error("a guardrail ends the rollout", candidate=rollout.candidate, reason=said)
        metrics.ROLLOUT_ENDED.inc()
        # Nobody is sent to it any more from here on, whatever the bus does.
        self._now = ended
        topic = self._topics.rollouts
        self._publish(topic.name, ended.candidate.encode(), self._codec.encode(topic.subject, ended))
        self._producer.flush(_FLUSH_S)


def _hand_over(message: Message, takers: dict[str, Callable[[bytes], None]]) -> None:
    """Raises `KafkaException` when the brokers say so; what cannot be read is said and left out."""
    if (error := message.error()) is not None:
        raise KafkaException(error)
    topic, value = message.topic(), message.value()
    if topic is None or value is None:
        return
    try:
        takers[topic](value)
    except (DecodeError, UnknownSchema) as error:
        metrics.ROLLOUT_SKIPPED.labels(reason="unreadable").inc()
        log.warning(
            "unreadable", topic=topic, partition=message.partition(), offset=message.offset(), reason=str(error)
        )
