"""Spans as the real SDK records them, kept in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from kith import traces
from kith.tracing import SdkTracer, provider_of

TRACE_ID, SENDER = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
SAMPLED = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = SAMPLED[:-2] + b"00"


class Recorded:
    """What was recorded until now."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def one(self, name: str) -> ReadableSpan:
        found = [span for span in self.spans if span.name == name]
        assert len(found) == 1, f"{name}: {[span.name for span in self.spans]}"
        return found[0]

    def below(self, parent: ReadableSpan) -> list[str]:
        """Names of the parts of a span, in the order in which they began."""
        parts = [one for one in self.spans if one.parent is not None and one.parent.span_id == parent.context.span_id]
        return [one.name for one in sorted(parts, key=lambda one: one.start_time or 0)]


def traceparent(span: ReadableSpan) -> str:
    """What makes a span the parent of another process' work."""
    return f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-{span.context.trace_flags:02x}"


@contextmanager
def recorded(sample: float = 1.0, group: str | None = None) -> Iterator[Recorded]:
    exporter = InMemorySpanExporter()
    provider = provider_of("test", "0", sample, SimpleSpanProcessor(exporter))
    traces.install(SdkTracer(provider.get_tracer("kith"), group))
    try:
        yield Recorded(exporter)
    finally:
        traces.install(None)
        provider.shutdown()
