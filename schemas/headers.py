"""Header names on the bus: request and reply as Spring's ReplyingKafkaTemplate, errors as Kafka Connect has them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

REPLY_TOPIC = "kafka_replyTopic"
CORRELATION_ID = "kafka_correlationId"
REPLY_PARTITION = "kafka_replyPartition"

# Of a request in JSON, and of its reply, which is in JSON too; Avro needs none.
CONTENT_TYPE = "content-type"
# W3C Trace Context, and Baggage: what comes of a record carries on what the record carried.
TRACE_CONTEXT = ("traceparent", "tracestate")
BAGGAGE = "baggage"
TRACE = (*TRACE_CONTEXT, BAGGAGE)

# Of an HTTP request to the gateway: milliseconds after which nobody waits for the answer any more.
HTTP_TIMEOUT_MS = "x-request-timeout-ms"

# Set on every reply whose status is not ok, so that a client can tell without decoding the body.
ERROR = "kith_error"

DEAD_LETTER_TOPIC = "__connect.errors.topic"
DEAD_LETTER_PARTITION = "__connect.errors.partition"
DEAD_LETTER_OFFSET = "__connect.errors.offset"
DEAD_LETTER_STAGE = "__connect.errors.stage"
DEAD_LETTER_CLASS = "__connect.errors.exception.class.name"
DEAD_LETTER_MESSAGE = "__connect.errors.exception.message"

# On a dead-letter record without a value, which closes the letter of its key: how.
RESOLUTION = "kith_resolution"

_PARTITION = struct.Struct(">i")

# As confluent-kafka takes and gives them.
Headers = list[tuple[str, str | bytes | None]]
# As they are looked into.
Given = Mapping[str, str | bytes | None] | Sequence[tuple[str, str | bytes | None]]


def header(headers: Given | None, name: str) -> bytes | None:
    """The last value of a header, or None; later ones win, as in Kafka's own `lastHeader`."""
    found: str | bytes | None = None
    for key, value in headers.items() if isinstance(headers, Mapping) else headers or ():
        if key == name:
            found = value
    return found.encode() if isinstance(found, str) else found


def pack_partition(partition: int) -> bytes:
    """A partition number as four bytes, big-endian."""
    return _PARTITION.pack(partition)


def unpack_partition(value: bytes) -> int | None:
    """The partition number in four big-endian bytes; None when the header is not that."""
    if len(value) != _PARTITION.size:
        return None
    partition = int(_PARTITION.unpack(value)[0])
    return partition if partition >= 0 else None
