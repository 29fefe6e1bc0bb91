"""Spans of search requests: from a record that was taken to its reply."""

from __future__ import annotations

from confluent_kafka import Message

from kith import span_names as names
from kith import traces
from kith.errors import KithError
from kith.traces import Kind, Span
from schemas.search_records import ReplyStatus, SearchReply
from schemas.trace_headers import TraceHeaders, context
from workers.open_offsets import place

_NS_PER_MS = 1_000_000
# Of these the requester is told to come again; the rest is an answer, or the request's own fault.
_FAILED = {ReplyStatus.UNAVAILABLE, ReplyStatus.OVERLOADED, ReplyStatus.EXPIRED, ReplyStatus.NOT_YET}


def taken(message: Message, carried: TraceHeaders) -> Span | None:
    """Begin the span of a request, where it is recorded."""
    if not traces.are_on():
        return None
    topic, (partition, offset) = message.topic() or "", place(message)
    described = names.messaging(names.PROCESS, topic) | {names.PARTITION: str(partition), names.OFFSET: offset}
    return traces.begin(f"{names.PROCESS} {topic}", Kind.CONSUMER, context(carried), described)


def queued(span: Span | None, begun_at: int) -> None:
    """Its wait here is over: for its turn, or for the index.

    Args:
        begun_at: when the work on it began, milliseconds since the epoch, UTC.
    """
    if span is not None:
        ended_ns = max(span.began_ns, begun_at * _NS_PER_MS)
        span.child(names.QUEUE, began_ns=span.began_ns).end(ended_ns=ended_ns)


def sending(span: Span | None, topic: str) -> Span | None:
    """Begin the part that sends a record; it ends once the broker has it."""
    if span is None:
        return None
    return span.child(f"{names.SEND} {topic}", Kind.PRODUCER, names.messaging(names.SEND, topic))


def answered(span: Span | None, reply: SearchReply) -> None:
    """The span of a request ends: it has its reply."""
    if span is None:
        return
    described = {names.STATUS: reply.status.value, names.MODE: reply.mode, names.MODEL: reply.model}
    span.describe({name: value for name, value in described.items() if value is not None})
    span.end(reply.status.value if reply.status in _FAILED else None)


def asking(carried: TraceHeaders) -> Span | None:
    """Begin the span of whoever asks, where it is recorded: from the request to the reply."""
    return traces.begin(names.ASK, Kind.CLIENT, context(carried), {names.SYSTEM: names.KAFKA})


def told(span: Span | None, outcome: SearchReply | KithError) -> None:
    """The span of whoever asks ends: a reply came, or none will."""
    if span is None:
        return
    if isinstance(outcome, SearchReply):
        span.describe({names.STATUS: outcome.status.value})
    span.end(type(outcome).__name__ if isinstance(outcome, KithError) else None)
