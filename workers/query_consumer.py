"""Search requests from Kafka, answered in micro-batches; a process of its own."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Event
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

from kith import metrics
from kith.deadline import Deadline
from kith.errors import Unavailable
from schemas import headers
from schemas.codec import Codec, DecodeError
from schemas.json_requests import CONTENT_TYPE, decode_request, encode_reply
from schemas.registry import UnknownSchema
from schemas.search_records import ReplyStatus, SearchReply, SearchRequest
from schemas.topics import Topics
from workers.refused_requests import RefusedRequests
from workers.search import Searcher
from workers.waiting_requests import WaitingRequests

log = structlog.get_logger(__name__)

_FIRST_WAIT_S = 0.2
# As above, while requests wait for the index.
_WAITING_S = 0.05
_CONNECT_S = 5.0
_FLUSH_S = 10.0
_ANY_PARTITION = -1
# How often a consumer with nothing to do looks whether it could answer.
_LOOK_EVERY_S = 2.0
# Kafka's own rule for names; a name outside it is refused here, since librdkafka raises on some and asks for others.
_TOPIC_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")


@dataclass(frozen=True, slots=True)
class ReplyAddress:
    """Where a reply goes, and in which form, as the request's headers say.

    Attributes:
        carried: headers that the reply carries as they came.
        in_json: JSON instead of Avro.
    """

    topic: str
    partition: int | None
    carried: headers.Headers
    in_json: bool = False


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request out of a message, or the reply to what is none."""

    message: Message
    address: ReplyAddress
    request: SearchRequest | None
    reply: SearchReply | None


class QueryConsumer:
    """Takes requests, answers each on the topic that it names, then lets the group's offset pass it.

    Requests are read from where the group stopped: one that waited out its deadline is answered as expired, unseen by
    the model. A crash between reply and offset repeats replies, which clients tell by their correlation id.

    Args:
        config: librdkafka configuration to reach the cluster.
        reply_topics: regular expression that a reply topic must match in full; a request must not make this process
            write just anywhere.
        default_timeout_s: deadline of a request that has none, seconds from its record's timestamp.
    """

    def __init__(
        self,
        config: dict[str, Any],
        codec: Codec,
        topics: Topics,
        searcher: Searcher,
        *,
        group: str,
        reply_topics: str,
        max_batch: int,
        default_timeout_s: float,
    ) -> None:
        self._codec = codec
        self._topics = topics
        self._searcher = searcher
        self._reply_topics = re.compile(reply_topics)
        self._max_batch = max_batch
        self._default_timeout_ms = int(default_timeout_s * 1000)
        self._bootstrap = config["bootstrap.servers"]
        self._consumer = Consumer(
            config
            | {
                "group.id": group,
                # Members come and go without stopping the others (KIP-848).
                "group.protocol": "consumer",
                # A new group begins with what waits already: "latest" would skip what comes while it joins.
                "auto.offset.reset": "earliest",
                "enable.auto.offset.store": False,
                "auto.commit.interval.ms": 1000,
                "fetch.wait.max.ms": 100,
                "log_level": 0,
            }
        )
        self._producer = Producer(
            config
            | {
                "acks": 1,
                "linger.ms": 0,
                "message.timeout.ms": 10_000,
                # A reply topic that does not exist is given up after this time.
                "topic.metadata.propagation.max.ms": 2000,
                "log_level": 0,
            }
        )
        self._refused = RefusedRequests(config, codec, topics.search_dead_letters)
        self._waiting: WaitingRequests[_Asked] = WaitingRequests()
        self._stop = Event()
        self._assigned = False
        self._moved_at = time.monotonic()
        self._reason: str | None = None
        self._look_again = Deadline.after(0)

    def run(self) -> None:
        """Answer until `stop`; then finish the batch in hand, flush its replies and leave the group.

        Raises:
            Unavailable: Kafka or the registry does not answer at the start, or Kafka gives this member up for good.
            kith.errors.InputError: the registry refuses the contract of replies.
        """
        self._require_kafka()
        # The one schema that every answer needs, refusals included; from here on the registry may be away.
        self._codec.encode(self._topics.replies.subject, SearchReply(ReplyStatus.OK))
        self._refused.declare()
        self._consumer.subscribe([self._topics.requests.name], on_assign=self._on_assign)
        try:
            while not self._stop.is_set():
                self._moved_at = time.monotonic()
                messages = self._next_batch()
                if messages or self._waiting:
                    self._handle(messages)
                elif self._look_again.expired():
                    self._reason = self._searcher.reason()
                    self._look_again = Deadline.after(_LOOK_EVERY_S)
        finally:
            self._producer.flush(_FLUSH_S)
            self._refused.flush(_FLUSH_S)
            self._consumer.close()

    def stop(self) -> None:
        """Let `run` return after the batch in hand; may be called from a signal handler."""
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
        if self._topics.requests.name not in held:
            raise Unavailable(f"The topic {self._topics.requests.name} does not exist.", "Run `kith topics apply`.")

    def _on_assign(self, _consumer: Consumer, _partitions: Sequence[Any]) -> None:
        self._assigned = True

    def _next_batch(self) -> list[Message]:
        first = self._consumer.poll(_WAITING_S if self._waiting else _FIRST_WAIT_S)
        if first is None:
            return []
        # What else is here already comes along; waiting for more would cost the first one time.
        rest = self._consumer.consume(self._max_batch - 1, timeout=0) if self._max_batch > 1 else []
        return [message for message in [first, *rest] if self._is_record(message)]

    def _is_record(self, message: Message) -> bool:
        error: KafkaError | None = message.error()
        if error is None:
            return True
        if error.fatal():
            raise Unavailable(
                f"Kafka at {self._bootstrap} gave this consumer up: {error.str()}.",
                "Check that the brokers are Kafka 4 or newer and that this user may read the group and its topic.",
            )
        log.warning("kafka", reason=error.str())
        return False

    def _handle(self, messages: Sequence[Message]) -> None:
        if messages:
            metrics.SEARCH_BATCH.observe(len(messages))
        asked = [one for message in messages if (one := self._read(message)) is not None]
        asked += self._waiting.due()
        now = int(time.time() * 1000)
        open_requests = [one for one in asked if one.request is not None]
        replies = self._searcher.answer([one.request for one in open_requests if one.request], now)
        for one, reply in zip(open_requests, replies, strict=True):
            if reply.status is not ReplyStatus.NOT_YET or not self._waiting.put(one, now):
                self._send(one.address, reply)
        for one in asked:
            if one.reply is not None:
                self._send(one.address, one.reply)
        away = [reply.error for reply in replies if reply.status is ReplyStatus.UNAVAILABLE]
        if away or any(reply.status is ReplyStatus.OK for reply in replies):
            self._reason = away[0] if away else None
        if self._producer.flush(_FLUSH_S):
            metrics.SEARCH_DROPPED.labels(reason="not_acknowledged").inc()
        self._refused.flush(_FLUSH_S)
        for message in self._waiting.passed([*messages, *(one.message for one in asked)]):
            self._keep_offset(message)

    def _keep_offset(self, message: Message) -> None:
        try:
            self._consumer.store_offsets(message)
        except KafkaException as error:
            # The partition went to another member meanwhile, which answers again: the client knows the reply by id.
            log.info("offset not kept", partition=message.partition(), reason=error.args[0].str())

    def _read(self, message: Message) -> _Asked | None:
        address = self._address(message)
        if address is None:
            return None
        value = message.value() or b""
        try:
            request = decode_request(value) if address.in_json else self._codec.decode(value, SearchRequest)
        except (DecodeError, UnknownSchema) as error:
            return _Asked(message, address, None, SearchReply(ReplyStatus.BAD_REQUEST, str(error)))
        except Unavailable as error:
            return _Asked(message, address, None, SearchReply(ReplyStatus.UNAVAILABLE, str(error)))
        return _Asked(message, address, self._with_deadline(request, message), None)

    def _address(self, message: Message) -> ReplyAddress | None:
        given = message.headers()
        topic = (headers.header(given, headers.REPLY_TOPIC) or b"").decode(errors="replace")
        if not topic:
            self._drop("no_reply_topic", message)
            return None
        if not (_TOPIC_NAME.fullmatch(topic) and self._reply_topics.fullmatch(topic)):
            self._drop("reply_topic_not_allowed", message)
            return None
        partition = headers.header(given, headers.REPLY_PARTITION)
        found = {name: headers.header(given, name) for name in (headers.CORRELATION_ID, *headers.TRACE)}
        content_type = headers.header(given, headers.CONTENT_TYPE) or b""
        return ReplyAddress(
            topic,
            None if partition is None else headers.unpack_partition(partition),
            [(name, value) for name, value in found.items() if value is not None],
            content_type.partition(b";")[0].strip().lower() == CONTENT_TYPE,
        )

    def _with_deadline(self, request: SearchRequest, message: Message) -> SearchRequest:
        if request.deadline_at is not None:
            return request
        _kind, written_at = message.timestamp()
        return replace(request, deadline_at=written_at + self._default_timeout_ms)

    def _send(self, address: ReplyAddress, reply: SearchReply) -> None:
        metrics.SEARCH_REQUESTS.labels(status=reply.status.value).inc()
        carried = list(address.carried)
        if reply.status is not ReplyStatus.OK:
            carried.append((headers.ERROR, reply.status.value.encode()))
        if address.in_json:
            carried.append((headers.CONTENT_TYPE, CONTENT_TYPE))
        value = encode_reply(reply) if address.in_json else self._codec.encode(self._topics.replies.subject, reply)
        partition = _ANY_PARTITION if address.partition is None else address.partition
        try:
            self._producer.produce(
                address.topic, value, partition=partition, headers=carried, on_delivery=self._delivered
            )
        except (BufferError, KafkaException) as error:
            reason = "queue_full" if isinstance(error, BufferError) else "refused"
            metrics.SEARCH_DROPPED.labels(reason=reason).inc()
            log.warning("reply dropped", topic=address.topic, reason=str(error))
        self._producer.poll(0)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            metrics.SEARCH_DROPPED.labels(reason="refused").inc()
            log.warning("reply dropped", topic=message.topic(), reason=error.str())

    def _drop(self, reason: str, message: Message) -> None:
        metrics.SEARCH_DROPPED.labels(reason=reason).inc()
        log.warning("request dropped", reason=reason, partition=message.partition(), offset=message.offset())
        self._refused.keep(reason, message)
