"""A request with the span of the work on it, from the bus to the searches that are made for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

from kith.span_names import BATCH_MESSAGE_COUNT
from kith.traces import SharedSpan, Span
from schemas.search_records import SearchRequest


@dataclass(frozen=True, slots=True)
class TracedRequest(SearchRequest):
    """A request whose way may be recorded. Nothing that a client sends becomes one.

    Attributes:
        span: None where nothing is recorded.
    """

    span: Span | None = field(default=None, compare=False, repr=False)


def traced(request: SearchRequest, span: Span | None) -> SearchRequest:
    """A request that carries its span; the request itself where there is none."""
    if span is None:
        return request
    return TracedRequest(**{one.name: getattr(request, one.name) for one in fields(SearchRequest)}, span=span)


def span_of(request: SearchRequest) -> Span | None:
    """The span that a request carries."""
    return request.span if isinstance(request, TracedRequest) else None


def untraced(request: SearchRequest) -> SearchRequest:
    """A request without its span: for work that nobody waits for."""
    return replace(request, span=None) if isinstance(request, TracedRequest) else request


def stage(name: str, requests: Sequence[SearchRequest]) -> SharedSpan:
    """A stage of the work on these requests, which is done for all of them at once."""
    spans = [span for request in requests if (span := span_of(request)) is not None]
    return SharedSpan(name, spans, attributes={BATCH_MESSAGE_COUNT: len(requests)} if spans else None)
