"""A client of the query consumer: many questions at a time over the bus, each matched to its reply by its id."""

from __future__ import annotations

import asyncio
import random
import threading
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from kith.deadline import Deadline
from kith.errors import InputError, KithError, Unavailable
from kith.traces import Span
from schemas import headers
from schemas.access import SEARCH_GROUP
from schemas.codec import Codec, DecodeError
from schemas.registry import UnknownSchema
from schemas.search_records import SearchReply, SearchRequest
from schemas.topics import Topics
from schemas.trace_headers import first, trace_headers
from workers.request_spans import asking, sending, told

log = structlog.get_logger(__name__)

_CONNECT_S = 5.0
# How often requests are looked at whose time may be over.
_LOOK_S = 0.1
_REPLIES_AT_ONCE = 500
# More would only wait: a caller is told at once.
MOST_PENDING = 10_000


@dataclass(frozen=True, slots=True)
class _Pending:
    reply: Future[SearchReply]
    deadline: Deadline
    timeout_s: float
    span: Span | None


class SearchClient:
    """Asks over the bus. Safe for several threads, and for event loops.

    One consumer for all questions: it reads one partition of the reply topic, from its end, outside of any group.
    Replies to others that land there are left.

    Args:
        config: librdkafka configuration to reach the cluster.

    Raises:
        Unavailable: Kafka, its reply topic or the registry is not there.
    """

    def __init__(self, config: dict[str, Any], codec: Codec, topics: Topics) -> None:
        self._codec = codec
        self._requests = topics.requests
        self._replies = topics.replies
        self._bootstrap = config["bootstrap.servers"]
        quiet = config | {"log_level": 0}
        self._producer = Producer(quiet | {"linger.ms": 0, "message.timeout.ms": 10_000})
        self._consumer = Consumer(
            quiet
            | {
                "group.id": SEARCH_GROUP,
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 100,
                "auto.offset.reset": "latest",
            }
        )
        try:
            # The contract of requests is asked for now, so that no event loop waits for the registry later.
            codec.encode(self._requests.subject, SearchRequest(""))
            self._partition = self._listen()
        except KithError:
            self._drop()
            raise
        self._lock = threading.Lock()
        self._pending: dict[bytes, _Pending] = {}
        self._closed = threading.Event()
        self._dropped = False
        self._thread = threading.Thread(target=self._follow, name="search-replies", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, request: SearchRequest, timeout_s: float, carried: Sequence[tuple[str, bytes]] = ()) -> SearchReply:
        """The reply to a request; blocking. `carried`: as in `submit`.

        Raises:
            InputError: a text of the request is not valid Unicode, or Kafka refuses the request for good.
            Unavailable: none came in time.
        """
        return self.submit(request, timeout_s, carried).result()

    async def ask_async(
        self, request: SearchRequest, timeout_s: float, carried: Sequence[tuple[str, bytes]] = ()
    ) -> SearchReply:
        """As `ask`, for an event loop. Cancelling it gives the request up."""
        return await asyncio.wrap_future(self.submit(request, timeout_s, carried))

    def submit(
        self, request: SearchRequest, timeout_s: float, carried: Sequence[tuple[str, bytes]] = ()
    ) -> Future[SearchReply]:
        """Send a request; the future ends with its reply, or with what `ask` raises.

        A request without a deadline gets one after `timeout_s`: nobody waits for its answer then.

        Args:
            carried: further headers. With a `traceparent` the request is part of that trace; without one, of the span
                that the caller has open, where kith records traces in this process.

        Raises:
            InputError: a text of the request is not valid Unicode.
            Unavailable: too many wait already, or the client is closed.
        """
        if request.deadline_at is None:
            request = replace(request, deadline_at=int((time.time() + timeout_s) * 1000))
        try:
            value = self._codec.encode(self._requests.subject, request)
        except UnicodeEncodeError as error:
            raise InputError("The request is not valid Unicode text.", "Give its words in UTF-8.") from error
        correlation_id = uuid.uuid4().bytes
        reply: Future[SearchReply] = Future()
        trace = trace_headers(carried)
        span = asking(trace)
        self._keep(correlation_id, _Pending(reply, Deadline.after(timeout_s), timeout_s, span))
        sent = sending(span, self._requests.name)
        try:
            self._producer.produce(
                self._requests.name,
                value,
                headers=[
                    (headers.REPLY_TOPIC, self._replies.name.encode()),
                    (headers.REPLY_PARTITION, headers.pack_partition(self._partition)),
                    (headers.CORRELATION_ID, correlation_id),
                    *(one for one in carried if one[0] not in headers.TRACE),
                    *first(sent, trace),
                ],
                on_delivery=lambda error, _message: self._delivered(correlation_id, sent, error),
            )
        except (BufferError, KafkaException) as error:
            self._end(correlation_id, Unavailable(f"The request cannot be sent: {error}."))
        return reply

    def close(self) -> None:
        """Give up what waits, and drop the connections, the codec's included; closing twice is harmless."""
        self._closed.set()
        self._thread.join()
        with self._lock:
            if self._dropped:
                return
            self._dropped = True
        self._drop()
        self._producer.flush(1.0)

    def _drop(self) -> None:
        self._consumer.close()
        self._codec.close()

    def _keep(self, correlation_id: bytes, pending: _Pending) -> None:
        with self._lock:
            refused = self._refused()
            if refused is None:
                self._pending[correlation_id] = pending
                return
        told(pending.span, refused)
        raise refused

    def _refused(self) -> Unavailable | None:
        if self._closed.is_set():
            return Unavailable("The client is closed.")
        if len(self._pending) >= MOST_PENDING:
            return Unavailable(f"{MOST_PENDING:,} requests wait for replies already.", "Ask fewer at a time.")
        return None

    def _end(self, correlation_id: bytes, outcome: SearchReply | KithError) -> None:
        with self._lock:
            pending = self._pending.pop(correlation_id, None)
        if pending is not None:
            told(pending.span, outcome)
        # A future that its caller cancelled takes nothing any more.
        if pending is None or not pending.reply.set_running_or_notify_cancel():
            return
        if isinstance(outcome, KithError):
            pending.reply.set_exception(outcome)
        else:
            pending.reply.set_result(outcome)

    def _follow(self) -> None:
        try:
            self._follow_replies()
        finally:
            # Also where this thread ends by a bug: whoever waits must not wait for ever.
            self._closed.set()
            with self._lock:
                left = list(self._pending)
            for correlation_id in left:
                self._end(correlation_id, Unavailable("The client was closed before a reply came."))

    def _follow_replies(self) -> None:
        look = Deadline.after(_LOOK_S)
        while not self._closed.is_set():
            self._producer.poll(0)
            first = self._consumer.poll(_LOOK_S / 2)
            if first is not None:
                for message in [first, *self._consumer.consume(_REPLIES_AT_ONCE, timeout=0)]:
                    self._take(message)
            if look.expired():
                self._end_late()
                look = Deadline.after(_LOOK_S)

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            log.warning("kafka", reason=error.str())
            return
        correlation_id = headers.header(message.headers(), headers.CORRELATION_ID)
        with self._lock:
            ours = correlation_id in self._pending
        if correlation_id is None or not ours:
            return
        try:
            outcome: SearchReply | KithError = self._codec.decode(message.value() or b"", SearchReply)
        except (DecodeError, UnknownSchema) as wrong:
            outcome = Unavailable(f"The reply cannot be read: {wrong}", "Are client and query consumer of one release?")
        except Unavailable as away:
            outcome = away
        self._end(correlation_id, outcome)

    def _end_late(self) -> None:
        with self._lock:
            late = [(key, one.timeout_s) for key, one in self._pending.items() if one.deadline.expired()]
        for correlation_id, timeout_s in late:
            self._end(
                correlation_id,
                Unavailable(
                    f"No reply within {timeout_s:g} s on {self._replies.name} at {self._bootstrap}.",
                    "Is the query consumer running? `kith status` tells; `kith serve` runs one.",
                ),
            )

    def _delivered(self, correlation_id: bytes, sent: Span | None, error: KafkaError | None) -> None:
        if sent is not None:
            sent.end(None if error is None else error.name())
        if error is None:
            return
        outcome: KithError = Unavailable(f"The request did not reach Kafka at {self._bootstrap}: {error.str()}.")
        if error.code() != KafkaError._MSG_TIMED_OUT:  # noqa: SLF001 - their name for it
            outcome = InputError(
                f"Kafka at {self._bootstrap} refuses the request: {error.str()}.",
                "Grant what `kith topics acls --role client` shows, if it is the right to write.",
            )
        self._end(correlation_id, outcome)

    def _listen(self) -> int:
        try:
            topic = self._consumer.list_topics(self._replies.name, timeout=_CONNECT_S).topics[self._replies.name]
            if topic.error is not None or not topic.partitions:
                raise Unavailable(
                    f"The topic {self._replies.name} does not exist, or this user may not read it.",
                    "Run `kith topics apply`, or grant what `kith topics acls --role client` shows.",
                )
            partition = random.choice(sorted(topic.partitions))
            # The end is asked for now: a reply that comes before the first poll must not be missed.
            _low, end = self._consumer.get_watermark_offsets(
                TopicPartition(self._replies.name, partition), timeout=_CONNECT_S
            )
        except KafkaException as error:
            raise Unavailable(
                f"Kafka at {self._bootstrap} does not answer ({error.args[0].str()}).",
                "Check KITH_KAFKA_BOOTSTRAP and that the brokers are up.",
            ) from error
        self._consumer.assign([TopicPartition(self._replies.name, partition, end)])
        return int(partition)
