"""Records of the request topic to requests: where the reply goes, what is asked, and until when."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from confluent_kafka import Message

from kith.errors import Unavailable
from kith.traces import Span
from schemas import headers
from schemas.codec import Codec, DecodeError
from schemas.json_requests import CONTENT_TYPE, decode_request
from schemas.registry import UnknownSchema
from schemas.search_records import ReplyStatus, SearchReply, SearchRequest
from schemas.trace_headers import TraceHeaders, trace_headers
from workers.open_offsets import place
from workers.request_spans import taken

# Kafka's own rule for names; a name outside it is refused here, since librdkafka raises on some and asks for others.
_TOPIC_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")


@dataclass(frozen=True, slots=True)
class ReplyAddress:
    """Where a reply goes, and in which form, as the request's headers say.

    Attributes:
        carried: headers that the reply carries as they came.
        in_json: JSON instead of Avro.
        trace: headers of the trace that the request is part of, as they came.
    """

    topic: str
    partition: int | None
    carried: headers.Headers
    in_json: bool = False
    trace: TraceHeaders = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request out of a record, or the reply to what is none.

    Attributes:
        written_at: of the record, milliseconds since the epoch, UTC.
        degraded: what was left out of the request under load.
        span: what is recorded of its way; None where nothing is.
    """

    message: Message
    address: ReplyAddress
    request: SearchRequest | None
    reply: SearchReply | None = None
    written_at: int = 0
    degraded: list[str] = field(default_factory=list)
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def partition(self) -> int:
        """Of the record."""
        return place(self.message)[0]


class Unanswerable(Exception):
    """There is no topic that a reply could go to. `args[0]`: the reason, as the metric names it."""


class RequestReader:
    """Reads records of the request topic.

    Args:
        reply_topics: regular expression that a reply topic must match in full; a request must not make this process
            write just anywhere.
        default_timeout_s: deadline of a request that has none, seconds from its record's timestamp.
    """

    def __init__(self, codec: Codec, reply_topics: str, default_timeout_s: float) -> None:
        self._codec = codec
        self._reply_topics = re.compile(reply_topics)
        self._default_timeout_ms = int(default_timeout_s * 1000)

    def read(self, message: Message) -> Asked:
        """What a record asks for.

        Raises:
            Unanswerable: it names no topic for the reply, or one that is not allowed.
        """
        address = self._address(message)
        span = taken(message, address.trace)
        asked = self._read(message, address)
        return asked if span is None else replace(asked, span=span)

    def _read(self, message: Message, address: ReplyAddress) -> Asked:
        value = message.value() or b""
        _kind, written_at = message.timestamp()
        try:
            request = decode_request(value) if address.in_json else self._codec.decode(value, SearchRequest)
        except (DecodeError, UnknownSchema) as error:
            return Asked(message, address, None, SearchReply(ReplyStatus.BAD_REQUEST, str(error)), written_at)
        except Unavailable as error:
            return Asked(message, address, None, SearchReply(ReplyStatus.UNAVAILABLE, str(error)), written_at)
        if request.deadline_at is None:
            request = replace(request, deadline_at=written_at + self._default_timeout_ms)
        return Asked(message, address, request, None, written_at)

    def _address(self, message: Message) -> ReplyAddress:
        given = message.headers()
        topic = (headers.header(given, headers.REPLY_TOPIC) or b"").decode(errors="replace")
        if not topic:
            raise Unanswerable("no_reply_topic")
        if not (_TOPIC_NAME.fullmatch(topic) and self._reply_topics.fullmatch(topic)):
            raise Unanswerable("reply_topic_not_allowed")
        partition = headers.header(given, headers.REPLY_PARTITION)
        correlation_id = headers.header(given, headers.CORRELATION_ID)
        content_type = headers.header(given, headers.CONTENT_TYPE) or b""
        return ReplyAddress(
            topic,
            None if partition is None else headers.unpack_partition(partition),
            [] if correlation_id is None else [(headers.CORRELATION_ID, correlation_id)],
            content_type.partition(b";")[0].strip().lower() == CONTENT_TYPE,
            trace_headers(given),
        )
