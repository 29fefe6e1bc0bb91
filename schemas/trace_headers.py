"""Trace context in the headers of records: what came, and what goes on."""

from __future__ import annotations

from kith import traces
from kith.traces import Context, Span
from schemas import headers

TraceHeaders = tuple[tuple[str, bytes], ...]

# As W3C Baggage has it. A longer one is left out: it must not make what carries it too large to be sent.
MAX_BYTES = 8192


def trace_headers(given: headers.Given | None) -> TraceHeaders:
    """What a record carries of its trace, as it came."""
    if not given:
        return ()
    found = ((name, headers.header(given, name)) for name in headers.TRACE)
    return tuple((name, value) for name, value in found if value is not None and len(value) <= MAX_BYTES)


def context(carried: TraceHeaders) -> Context:
    """The context that begins a span; what is not valid begins a new trace."""
    return {name: value.decode("latin-1") for name, value in carried if name in headers.TRACE_CONTEXT}


def after(span: Span | None, carried: TraceHeaders) -> TraceHeaders:
    """Headers of what comes of a record: the span is its parent where one is recorded; the rest is as it came."""
    return carried if span is None else _replaced(span.context(), carried)


def first(span: Span | None, carried: TraceHeaders) -> TraceHeaders:
    """As `after`, from where a trace may begin: that it is not recorded is carried on too."""
    return _replaced(traces.onwards(span, context(carried)), carried)


def _replaced(by: Context, carried: TraceHeaders) -> TraceHeaders:
    kept = (one for one in carried if one[0] not in headers.TRACE_CONTEXT)
    return (*((name, value.encode("latin-1")) for name, value in by.items()), *kept)
