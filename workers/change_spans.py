"""Stages of work on changes as parts of the traces that the changes came with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from kith import span_names as names
from kith import traces
from kith.traces import SharedSpan, Span

_spans: ContextVar[Mapping[str, Sequence[Span]]] = ContextVar("spans of changes")


@contextmanager
def working_on(spans: Mapping[str, Sequence[Span]]) -> Iterator[None]:
    """While it is entered, in this task and the threads that it hands its context to, work is on these profiles.

    Args:
        spans: by profile id.
    """
    before = _spans.set(spans)
    try:
        yield
    finally:
        _spans.reset(before)


def stage(name: str, profile_ids: Sequence[str]) -> SharedSpan:
    """A stage of the work on some of the profiles."""
    spans = _spans.get({}) if traces.are_on() else {}
    parents = [span for profile_id in profile_ids for span in spans.get(profile_id, ())]
    return SharedSpan(name, parents, attributes={names.BATCH_MESSAGE_COUNT: len(profile_ids)} if parents else None)
