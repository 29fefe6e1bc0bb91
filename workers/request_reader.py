"""Records of the request topic to requests: where the reply goes, what is asked, and until when."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from confluent_kafka import Message

from kith.errors import Unavailable
from schemas import headers
from schemas.codec import Codec, DecodeError
from schemas.json_requests import CONTENT_TYPE, decode_request
from schemas.registry import UnknownSchema
from schemas.search_records import ReplyStatus, SearchReply, SearchRequest
from workers.open_offsets import place

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
class Asked:
    """A request out of a record, or the reply to what is none.

    Attributes:
        written_at: of the record, milliseconds since the epoch, UTC.
        degraded: what was left out of the request under load.
    """

    message: Message
    address: ReplyAddress
    request: SearchRequest | None
    reply: SearchReply | None = None
    written_at: int = 0
    degraded: list[str] = field(default_factory=list)

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
        found = {name: headers.header(given, name) for name in (headers.CORRELATION_ID, *headers.TRACE)}
        content_type = headers.header(given, headers.CONTENT_TYPE) or b""
        return ReplyAddress(
            topic,
            None if partition is None else headers.unpack_partition(partition),
            [(name, value) for name, value in found.items() if value is not None],
            content_type.partition(b";")[0].strip().lower() == CONTENT_TYPE,
        )
