"""Spans of the records of the change stream: from a record that was taken to what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

from kith import span_names as names
from kith import traces
from kith.traces import Kind, SharedSpan, Span
from schemas.headers import Headers
from schemas.records import DeadLetter, Outcome
from schemas.topics import Topic
from schemas.trace_headers import after, context, first, trace_headers
from streams.gate import Work
from streams.incoming import Incoming
from workers.change_spans import working_on


def taken(record: Incoming, given: Any) -> Incoming:
    """A record with the trace that it is part of, where it is part of one.

    A record of the bulk lane begins none: what it brings happened long ago.

    Args:
        given: its headers as Faust has them: a mapping, pairs, or None.
    """
    carried = trace_headers(given)
    came, span = context(carried), None
    if traces.are_on() and ("traceparent" in came or not record.bulk):
        span = traces.begin(f"{names.PROCESS} {record.topic}", Kind.CONSUMER, came, _place(record))
    return replace(record, carried=carried, span=span) if carried or span is not None else record


def applying(piece: Sequence[Work]) -> AbstractContextManager[None]:
    """While it is entered, stages of work on profiles are parts of the records that the work is of."""
    if not traces.are_on():
        return nullcontext()
    return working_on({work.profile_id: spans_of(change.incoming for change, _ in work.outcomes) for work in piece})


def sending(topic: Topic, records: Sequence[Incoming]) -> SharedSpan:
    """The stage of telling the bus what became of records."""
    described = names.messaging(names.SEND, topic.name) | {names.BATCH_MESSAGE_COUNT: len(records)}
    parents = spans_of(records)
    return SharedSpan(f"{names.SEND} {topic.name}", parents, Kind.CLIENT, described)


def producing(topic: str) -> tuple[Span | None, Headers | None]:
    """Begin the trace of a change where the change begins; and the headers that its record carries for it."""
    if not traces.are_on():
        return None, None
    span = traces.begin(f"{names.SEND} {topic}", Kind.PRODUCER, {}, names.messaging(names.SEND, topic))
    return span, [*first(span, ())]


def onwards(record: Incoming) -> Headers | None:
    """Headers of what comes of a record; None where it was part of no trace."""
    return [*after(record.span, record.carried)] or None


def settled(record: Incoming, outcome: Outcome, letter: DeadLetter | None) -> None:
    """The span of a record ends: its outcome stands, and everybody was told."""
    if record.span is not None:
        record.span.describe({names.OUTCOME: outcome.value})
        record.span.end(None if letter is None else letter.error_class)


def spans_of(records: Iterable[Incoming]) -> list[Span]:
    """Of the records that have one."""
    return [record.span for record in records if record.span is not None]


def _place(record: Incoming) -> dict[str, str | int]:
    described = names.messaging(names.PROCESS, record.topic)
    described |= {names.PARTITION: str(record.partition), names.OFFSET: record.offset}
    return described if record.value is not None else described | {names.TOMBSTONE: True}
