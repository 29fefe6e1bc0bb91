"""Search requests from Kafka, answered in micro-batches; a process of its own."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from threading import Event
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from kith import metrics
from kith.deadline import Deadline
from kith.errors import Unavailable
from schemas.search_records import ReplyStatus, SearchReply
from schemas.topics import Topic
from workers.load import RequestQueue, lightened
from workers.open_offsets import OpenOffsets
from workers.refused_requests import RefusedRequests
from workers.reply_sender import ReplySender
from workers.request_reader import Asked, RequestReader, Unanswerable
from workers.request_spans import answered, queued
from workers.search import Searcher
from workers.traced_request import traced
from workers.waiting_requests import WaitingRequests

log = structlog.get_logger(__name__)

_FIRST_WAIT_S = 0.2
# As above, while requests wait for the index.
_WAITING_S = 0.05
_CONNECT_S = 5.0
_FLUSH_S = 10.0
# After so long the partitions of a consumer that was killed go to others.
_SESSION_MS, _HEARTBEAT_MS = 10_000, 1_000
_COMMIT_MS = 1000
# Taken at once: whoever is refused is told now, however much comes.
_MOST_TAKEN = 2000
# How often a consumer with nothing to do looks whether it could answer.
_LOOK_EVERY_S = 2.0


class QueryConsumer:
    """Takes requests, answers each on the topic that it names, then lets the group's offset pass it.

    Requests are read from where the group stopped: one that waited out its deadline is answered as expired, unseen by
    the model. A crash between reply and offset repeats replies, which clients tell by their correlation id.

    Args:
        config: librdkafka configuration to reach the cluster, with the consumer group.
        requests: the topic of requests.
        refused: keeps what nobody can be told about.
        queue: what was taken and not begun; its length bounds a micro-batch.
        batch_wait_s: longest wait for a micro-batch to fill, seconds.
    """

    def __init__(
        self,
        config: dict[str, Any],
        requests: Topic,
        searcher: Searcher,
        reader: RequestReader,
        sender: ReplySender,
        refused: RefusedRequests,
        queue: RequestQueue[Asked],
        *,
        batch_wait_s: float,
    ) -> None:
        self._requests = requests
        self._searcher = searcher
        self._reader = reader
        self._sender = sender
        self._refused = refused
        self._queue = queue
        self._batch_wait_s = batch_wait_s
        self._bootstrap = config["bootstrap.servers"]
        self._consumer = Consumer(
            config
            | {
                # Members come and go without stopping the others. The newer protocol would leave the partitions of one
                # that was killed alone for the 45 s that brokers have by default; this one says itself how long.
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": _SESSION_MS,
                "heartbeat.interval.ms": _HEARTBEAT_MS,
                # A new group begins with what waits already: "latest" would skip what comes while it joins.
                "auto.offset.reset": "earliest",
                "enable.auto.offset.store": False,
                "auto.commit.interval.ms": _COMMIT_MS,
                "fetch.wait.max.ms": 100,
                "log_level": 0,
            }
        )
        self._waiting: WaitingRequests[Asked] = WaitingRequests()
        self._offsets = OpenOffsets()
        self._stop = Event()
        self._assigned = self._warm = False
        self._moved_at = time.monotonic()
        self._reason: str | None = None
        self._look_again = Deadline.after(0)

    def run(self) -> None:
        """Answer until `stop`; then finish what was taken, flush the replies and leave the group.

        Raises:
            Unavailable: Kafka or the registry does not answer at the start, or Kafka gives this member up for good.
            kith.errors.InputError: the registry refuses the contract of replies.
        """
        self._require_kafka()
        self._sender.learn_contract()
        self._refused.declare()
        self._consumer.subscribe(
            [self._requests.name], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )
        try:
            while not self._stop.is_set():
                self._moved_at = time.monotonic()
                taken = self._take()
                if not (self._work() or taken) and self._look_again.expired():
                    self._reason = self._searcher.reason()
                    self._look_again = Deadline.after(_LOOK_EVERY_S)
            while len(self._queue):
                self._work()
        finally:
            self._sender.flush()
            self._refused.flush(_FLUSH_S)
            self._consumer.close()

    def stop(self) -> None:
        """Let `run` return after what was taken; may be called from a signal handler."""
        self._stop.set()

    @property
    def reason(self) -> str | None:
        """Why requests are not answered now; None when they are."""
        return self._reason if self._assigned else "not yet a member of the consumer group"

    def idle_s(self) -> float:
        """Seconds since the loop last turned."""
        return time.monotonic() - self._moved_at

    def _require_kafka(self) -> None:
        try:
            held = self._consumer.list_topics(timeout=_CONNECT_S).topics
        except KafkaException as error:
            raise Unavailable(
                f"Kafka at {self._bootstrap} does not answer ({error.args[0].str()}).",
                "Check KITH_KAFKA_BOOTSTRAP and that the brokers are up.",
            ) from error
        if self._requests.name not in held:
            raise Unavailable(f"The topic {self._requests.name} does not exist.", "Run `kith topics apply`.")

    def _on_assign(self, _consumer: Consumer, _partitions: Sequence[TopicPartition]) -> None:
        self._assigned = True

    def _on_revoke(self, _consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        # Who has them now begins where the offset stands, and answers what is left here.
        gone = {one.partition for one in partitions}
        self._queue.forget(gone)
        self._waiting.forget(gone)
        self._offsets.forget(gone)

    def _take(self) -> bool:
        """Take what is there; whether anything was."""
        wait_s = 0.0 if len(self._queue) else _WAITING_S if self._waiting else _FIRST_WAIT_S
        first = self._consumer.poll(wait_s)
        if first is None:
            return False
        messages = [first]
        if self._batch_wait_s and self._queue.room() > 1:
            messages += self._consumer.consume(self._queue.room() - 1, timeout=self._batch_wait_s)
        messages += self._consumer.consume(_MOST_TAKEN, timeout=0)
        self._accept_all([message for message in messages if self._is_record(message)])
        return True

    def _accept_all(self, messages: list[Message]) -> None:
        """Those that came last first where there is no room for all: they have waited least when they are answered."""
        if self._queue.overloaded():
            messages = sorted(messages, key=lambda message: message.timestamp()[1], reverse=True)
        for message in messages:
            self._accept(message)

    def _is_record(self, message: Message) -> bool:
        error: KafkaError | None = message.error()
        if error is None:
            return True
        if error.fatal():
            raise Unavailable(
                f"Kafka at {self._bootstrap} gave this consumer up: {error.str()}.",
                "Check that this user may read the group and its topic.",
            )
        log.warning("kafka", reason=error.str())
        return False

    def _accept(self, message: Message) -> None:
        """Let a request wait for its turn, or answer it now where no work is needed to."""
        self._offsets.take(message)
        try:
            asked = self._reader.read(message)
        except Unanswerable as why:
            self._drop(str(why), message)
            return
        now = _now_ms()
        refused = asked.reply if asked.request is None else self._searcher.refused(asked.request, now)
        if refused is not None:
            self._answer(asked, refused, now)
        elif not self._queue.offer(asked):
            self._refuse(asked, now)

    def _refuse(self, asked: Asked, now: int) -> None:
        hint = self._queue.retry_after_ms()
        reply = SearchReply(ReplyStatus.OVERLOADED, "Too many requests wait already.", retry_after_ms=hint)
        self._answer(asked, reply, now)

    def _work(self) -> bool:
        """Answer the next micro-batch and what waits for the index; whether there was any."""
        pressure = self._queue.pressure()
        batch = [_lightened(one, pressure) for one in self._queue.take()]
        asked = batch + self._waiting.due()
        now, began = _now_ms(), time.monotonic()
        for one in self._queue.shed():
            self._refuse(one, now)
        if asked:
            requests = [traced(one.request, one.span) for one in asked if one.request is not None]
            replies = self._searcher.answer(requests, now)
            for one, reply in zip(asked, replies, strict=True):
                if reply.status is not ReplyStatus.NOT_YET or not self._waiting.put(one, now):
                    self._answer(one, reply, now)
            self._note(replies)
        self._sender.flush()
        self._refused.flush(_FLUSH_S)
        if batch:
            metrics.SEARCH_BATCH.observe(len(batch))
            # The first one finds model, connections and caches cold, and says nothing of those to come.
            if self._warm:
                self._queue.worked(1000 * (time.monotonic() - began), len(batch))
            self._warm = True
        for message in self._offsets.passed():
            self._keep_offset(message)
        return bool(asked)

    def _note(self, replies: Sequence[SearchReply]) -> None:
        away = [reply.error for reply in replies if reply.status is ReplyStatus.UNAVAILABLE]
        if away or any(reply.status is ReplyStatus.OK for reply in replies):
            self._reason = away[0] if away else None

    def _answer(self, asked: Asked, reply: SearchReply, begun_at: int) -> None:
        queued(asked.span, begun_at)
        shown = uuid.uuid4().hex if reply.status is ReplyStatus.OK else None
        whole = replace(
            reply,
            request_id=shown,
            degraded=[*asked.degraded, *reply.degraded],
            queue_ms=max(0.0, begun_at - asked.written_at),
            total_ms=max(0.0, _now_ms() - asked.written_at),
        )
        self._sender.send(asked.address, whole, asked.request, asked.span)
        answered(asked.span, whole)
        self._offsets.done(asked.message)

    def _keep_offset(self, message: Message) -> None:
        try:
            self._consumer.store_offsets(message)
        except KafkaException as error:
            # The partition went to another member meanwhile, which answers again: the client knows the reply by id.
            log.info("offset not kept", partition=message.partition(), reason=error.args[0].str())

    def _drop(self, reason: str, message: Message) -> None:
        metrics.SEARCH_DROPPED.labels(reason=reason).inc()
        log.warning("request dropped", reason=reason, partition=message.partition(), offset=message.offset())
        self._refused.keep(reason, message)
        self._offsets.done(message)


def _lightened(asked: Asked, pressure: float) -> Asked:
    if asked.request is None:
        return asked
    request, degraded = lightened(asked.request, pressure)
    return replace(asked, request=request, degraded=degraded)


def _now_ms() -> int:
    return int(time.time() * 1000)
