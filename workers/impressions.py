"""What requesters were shown, onto `search.impressions`, beside the answers and never in their way."""

from __future__ import annotations

from queue import Empty, Full, Queue
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from kith import metrics
from kith.aside import Aside
from kith.deadline import Deadline
from kith.errors import KithError
from schemas.codec import Codec
from schemas.search_records import ReplyStatus, SearchImpression, SearchReply, SearchRequest, ShownHit
from schemas.topics import Topics

log = structlog.get_logger(__name__)

# Impressions that may wait, here and again in librdkafka: some minutes of questions, some tens of megabytes.
_ROOM = 10_000
_LOOK_S = 0.2
# An impression that the brokers did not acknowledge for so long is given up.
_GIVE_UP_MS = 30_000
_FLUSH_S = 5.0
_SAY_EVERY_S = 10.0


class Impressions(Aside):
    """Logs what was shown; entered, a thread of its own encodes and sends.

    What finds no room, or cannot be sent, is dropped and counted by reason in `kith_impressions_dropped_total`.

    Args:
        config: librdkafka configuration to reach the cluster.
        room: impressions that may wait to be sent.
    """

    def __init__(self, config: dict[str, Any], codec: Codec, topics: Topics, *, room: int = _ROOM) -> None:
        super().__init__("impressions", self._run)
        self._codec = codec
        self._topic = topics.impressions
        self._waiting: Queue[SearchImpression] = Queue(room)
        self._producer = Producer(
            config
            | {
                # A retry must not log an impression twice.
                "enable.idempotence": True,
                "linger.ms": 50,
                "compression.type": "lz4",
                "message.timeout.ms": _GIVE_UP_MS,
                "queue.buffering.max.messages": room,
                "log_level": 0,
            }
        )
        self._dropped = 0
        self._say_again = Deadline.after(0)

    def shown(self, request: SearchRequest, reply: SearchReply, now_ms: int) -> None:
        """Log a reply that shows hits; others leave nothing to judge. Returns at once and raises nothing.

        Args:
            now_ms: when it was answered, milliseconds since the epoch, UTC.
        """
        if reply.status is not ReplyStatus.OK or not reply.hits:
            return
        impression = _impression(request, reply, now_ms)
        if impression is None:
            self._drop("no_request_id")
            return
        try:
            self._waiting.put_nowait(impression)
        except Full:
            self._drop("queue_full")

    def _run(self) -> None:
        while (one := self._next()) is not None or not self.ended.is_set():
            if one is not None:
                self._send(one)
            self._producer.poll(0)
        if self._producer.flush(_FLUSH_S):
            # Each is handed to `_delivered` by this, and counted there.
            self._producer.purge()
            self._producer.flush(_FLUSH_S)

    def _next(self) -> SearchImpression | None:
        try:
            return self._waiting.get(timeout=0 if self.ended.is_set() else _LOOK_S)
        except Empty:
            return None

    def _send(self, one: SearchImpression) -> None:
        try:
            value = self._codec.encode(self._topic.subject, one)
        except KithError as error:
            self._drop("registry", str(error))
            return
        except UnicodeEncodeError:
            # JSON can carry what is no Unicode text; the question was answered, and cannot be written down.
            self._drop("not_unicode")
            return
        try:
            self._producer.produce(self._topic.name, value, one.request_id.encode(), on_delivery=self._delivered)
        except BufferError:
            self._drop("queue_full")
        except KafkaException as error:
            self._drop("refused", error.args[0].str())

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is None:
            metrics.IMPRESSIONS.inc()
        else:
            self._drop("not_acknowledged", error.str())

    def _drop(self, reason: str, said: str = "") -> None:
        metrics.IMPRESSIONS_DROPPED.labels(reason=reason).inc()
        self._dropped += 1
        if self._say_again.expired():
            # Every one is counted; a line for every one would drown the log of an outage.
            log.warning("impressions dropped", reason=reason, said=said, count=self._dropped)
            self._dropped, self._say_again = 0, Deadline.after(_SAY_EVERY_S)


def _impression(request: SearchRequest, reply: SearchReply, now_ms: int) -> SearchImpression | None:
    if reply.request_id is None:
        return None
    return SearchImpression(
        request_id=reply.request_id,
        answered_at=now_ms,
        query=request.query,
        mode=reply.mode or request.mode.value,
        model=reply.model or "",
        collection=reply.collection or "",
        requester=request.requester,
        cohort=request.cohort,
        offset=request.offset,
        hits=[ShownHit(hit.profile_id, hit.version, hit.score) for hit in reply.hits],
        total_ms=reply.total_ms,
    )
