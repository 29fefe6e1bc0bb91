"""Header names on the bus: request and reply as Spring's ReplyingKafkaTemplate has them, errors as Kafka Connect has them."""

from __future__ import annotations

import struct
from collections.abc import Iterable

REPLY_TOPIC = "kafka_replyTopic"
CORRELATION_ID = "kafka_correlationId"
REPLY_PARTITION = "kafka_replyPartition"

# Set on every reply whose status is not ok, so that a client can tell without decoding the body.
ERROR = "kith_error"

DEAD_LETTER_TOPIC = "__connect.errors.topic"
DEAD_LETTER_PARTITION = "__connect.errors.partition"
DEAD_LETTER_OFFSET = "__connect.errors.offset"
DEAD_LETTER_STAGE = "__connect.errors.stage"
DEAD_LETTER_CLASS = "__connect.errors.exception.class.name"
DEAD_LETTER_MESSAGE = "__connect.errors.exception.message"

_PARTITION = struct.Struct(">i")

Headers = list[tuple[str, bytes]]


def header(headers: Iterable[tuple[str, bytes | None]] | None, name: str) -> bytes | None:
    """The last value of a header, or None; later ones win, as in Kafka's own `lastHeader`."""
    found = None
    for key, value in headers or ():
        if key == name:
            found = value
    return found


def pack_partition(partition: int) -> bytes:
    """A partition number as four bytes, big-endian."""
    return _PARTITION.pack(partition)


def unpack_partition(value: bytes) -> int | None:
    """The partition number in four big-endian bytes; None when the header is not that."""
    if len(value) != _PARTITION.size:
        return None
    partition = int(_PARTITION.unpack(value)[0])
    return partition if partition >= 0 else None
