"""Every name in a trace: spans, attributes, values. Nothing that a person wrote or was is ever in one.

Attributes are those of OpenTelemetry's semantic conventions, 1.43 (messaging, HTTP, general); `kith.` is our own.
"""

from __future__ import annotations

# Spans. What sends or processes a record has the topic's name behind it: "process profile.changes".
ASK = "ask"
DECODE = "decode"
EMBED = "embed"
PROCESS = "process"
QUEUE = "queue"
SEARCH = "search"
SEND = "send"
WRITE = "write"

BATCH_MESSAGE_COUNT = "messaging.batch.message_count"
CONSUMER_GROUP = "messaging.consumer.group.name"
DESTINATION = "messaging.destination.name"
ERROR_TYPE = "error.type"
HTTP_METHOD = "http.request.method"
HTTP_ROUTE = "http.route"
HTTP_STATUS = "http.response.status_code"
OFFSET = "messaging.kafka.offset"
OPERATION_NAME = "messaging.operation.name"
OPERATION_TYPE = "messaging.operation.type"
PARTITION = "messaging.destination.partition.id"
SYSTEM = "messaging.system"
TOMBSTONE = "messaging.kafka.message.tombstone"

KAFKA = "kafka"

# What became of a record: as in its receipt.
OUTCOME = "kith.outcome"
# How a search ended: status, mode and model of its reply.
STATUS = "kith.status"
MODE = "kith.mode"
MODEL = "kith.model"

# Resource: which process this is.
SERVICE = "service.name"
SERVICE_INSTANCE = "service.instance.id"
SERVICE_NAMESPACE = "service.namespace"
SERVICE_VERSION = "service.version"


def messaging(operation: str, topic: str) -> dict[str, str | int]:
    """Attributes of a span that sends records to a topic, or processes those of one.

    Args:
        operation: `SEND` or `PROCESS`.
    """
    return {SYSTEM: KAFKA, OPERATION_NAME: operation, OPERATION_TYPE: operation, DESTINATION: topic}
