"""Replies to the topics that their requests name."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from kith import metrics, traces
from kith.traces import Span
from schemas import headers
from schemas.codec import Codec
from schemas.json_requests import CONTENT_TYPE, encode_reply
from schemas.search_records import ReplyStatus, SearchReply, SearchRequest
from schemas.topics import Topic
from schemas.trace_headers import after
from workers.impressions import Impressions
from workers.request_reader import ReplyAddress
from workers.request_spans import sending

log = structlog.get_logger(__name__)

_FLUSH_S = 10.0
_ANY_PARTITION = -1


class ReplySender:
    """Sends replies. One that cannot be delivered is counted and told, and holds up no other.

    Args:
        config: librdkafka configuration to reach the cluster.
        replies: the topic whose contract replies have, wherever they go.
        impressions: where what was shown is logged; None for nowhere.
    """

    def __init__(
        self, config: dict[str, Any], codec: Codec, replies: Topic, impressions: Impressions | None = None
    ) -> None:
        self._codec = codec
        self._impressions = impressions
        self._subject = replies.subject
        _count_from_zero()
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

    def learn_contract(self) -> None:
        """Register the one schema that every answer needs, refusals included; from then on the registry may be away.

        Raises:
            kith.errors.InputError: the registry refuses the contract.
            kith.errors.Unavailable: it does not answer.
        """
        self._codec.encode(self._subject, SearchReply(ReplyStatus.OK))

    def send(
        self,
        address: ReplyAddress,
        reply: SearchReply,
        request: SearchRequest | None = None,
        span: Span | None = None,
    ) -> None:
        """Hand the reply to a request to the producer; `flush` waits for it.

        Args:
            request: None: it cannot be read.
            span: of the request's work, where it is recorded.
        """
        _count(reply, span)
        sent = sending(span, address.topic)
        carried = [*address.carried, *after(sent, address.trace)]
        if reply.status is not ReplyStatus.OK:
            carried.append((headers.ERROR, reply.status.value.encode()))
        if address.in_json:
            carried.append((headers.CONTENT_TYPE, CONTENT_TYPE))
        value = encode_reply(reply) if address.in_json else self._codec.encode(self._subject, reply)
        partition = _ANY_PARTITION if address.partition is None else address.partition
        try:
            self._producer.produce(
                address.topic, value, partition=partition, headers=carried, on_delivery=partial(self._delivered, sent)
            )
        except (BufferError, KafkaException) as error:
            reason = "queue_full" if isinstance(error, BufferError) else "refused"
            metrics.SEARCH_DROPPED.labels(reason=reason).inc()
            log.warning("reply dropped", topic=address.topic, reason=str(error))
            if sent is not None:
                sent.end(type(error).__name__)
        else:
            if self._impressions is not None and request is not None:
                self._impressions.shown(request, reply, int(time.time() * 1000))
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait until every reply was acknowledged, or given up."""
        if self._producer.flush(_FLUSH_S):
            metrics.SEARCH_DROPPED.labels(reason="not_acknowledged").inc()

    def _delivered(self, sent: Span | None, error: KafkaError | None, message: Message) -> None:
        if sent is not None:
            sent.end(None if error is None else error.name())
        if error is not None:
            metrics.SEARCH_DROPPED.labels(reason="refused").inc()
            log.warning("reply dropped", topic=message.topic(), reason=error.str())


def _count_from_zero() -> None:
    """A series that begins with its first event hides that event from every rate."""
    for status in ReplyStatus:
        metrics.SEARCH_REQUESTS.labels(status=status.value)
        metrics.SEARCH_SECONDS.labels(status=status.value)


def _count(reply: SearchReply, span: Span | None) -> None:
    metrics.SEARCH_REQUESTS.labels(status=reply.status.value).inc()
    metrics.SEARCH_SECONDS.labels(status=reply.status.value).observe(reply.total_ms / 1000, traces.exemplar(span))
    metrics.SEARCH_QUEUE_SECONDS.observe(reply.queue_ms / 1000)
    for left_out in reply.degraded:
        metrics.SEARCH_DEGRADED.labels(left_out=left_out).inc()
