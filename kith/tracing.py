"""Recording of traces with the OpenTelemetry SDK: sampling, the bounded queue to the receiver, its end.

Only imported where a receiver is set: it needs kith[tracing].
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog
from opentelemetry.context import Context as OtelContext
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import (
    Link,
    SpanKind,
    StatusCode,
    format_span_id,
    format_trace_id,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace import Tracer as OtelTracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from kith import span_names, traces
from kith.traces import Attributes, Context, Kind

log = structlog.get_logger(__name__)

# Of one attempt to export, its repetitions included.
_EXPORT_S = 5.0
# A process that ends waits no longer for its last spans.
_FLUSH_S = 3.0
# For an attempt to export to notice that it is given up.
_GIVE_UP_S = 1.0
# Spans that wait for the exporter; more are dropped, and the SDK says so.
_MOST_WAITING = 8192
_EVERY_MS = 1000

_W3C = TraceContextTextMapPropagator()
_KINDS = {kind: SpanKind[kind.name] for kind in Kind}


@contextmanager
def recording(endpoint: str, sample: float, process: str, version: str, group: str | None = None) -> Iterator[None]:
    """Record while it is entered; then what waits is exported, for 4 s at most.

    Exporting has a thread and a bounded queue of its own: no work waits for it, and none fails with it.

    Args:
        endpoint: URL that spans are posted to, as OTLP over HTTP.
        sample: share of the traces that begin here which are recorded, 0 to 1.
        process: what the receiver calls this process, behind `kith-`.
        group: consumer group of what is processed here.
    """
    exporter = _ToldExporter(endpoint)
    processor = BatchSpanProcessor(exporter, max_queue_size=_MOST_WAITING, schedule_delay_millis=_EVERY_MS)
    provider = provider_of(process, version, sample, processor)
    traces.install(SdkTracer(provider.get_tracer("kith", version), group))
    try:
        yield
    finally:
        traces.install(None)
        ending = threading.Thread(target=provider.shutdown, name="traces-end", daemon=True)
        ending.start()
        ending.join(_FLUSH_S)
        if ending.is_alive():
            log.warning("the last traces were not exported", endpoint=endpoint)
            exporter.give_up()
            ending.join(_GIVE_UP_S)


def provider_of(process: str, version: str, sample: float, processor: SpanProcessor) -> TracerProvider:
    """What makes spans of this process, and hands them to the processor."""
    resource = Resource.create(
        {
            span_names.SERVICE: f"kith-{process}",
            span_names.SERVICE_NAMESPACE: "kith",
            span_names.SERVICE_VERSION: version,
            span_names.SERVICE_INSTANCE: str(uuid.uuid4()),
        }
    )
    provider = TracerProvider(ParentBasedTraceIdRatio(sample), resource, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return provider


class SdkTracer:
    """A `kith.traces.Tracer` on the SDK.

    Args:
        group: consumer group of what is processed here.
    """

    def __init__(self, tracer: OtelTracer, group: str | None = None) -> None:
        self._tracer = tracer
        self._of_consumers = {} if group is None else {span_names.CONSUMER_GROUP: group}
        self._ids = RandomIdGenerator()

    def begin(self, name: str, kind: Kind, context: Context, attributes: Attributes) -> SdkTracedSpan | None:
        """See `kith.traces.begin`. Without a context, a span that the caller has open here is the parent."""
        parent = _W3C.extract(context, OtelContext()) if "traceparent" in context else None
        links: tuple[Link, ...] = ()
        if kind is Kind.CONSUMER:
            attributes = {**attributes, **self._of_consumers}
            # The conventions ask for a link to the context of the message, whatever the parent is.
            sender = get_current_span(parent).get_span_context()
            links = (Link(sender),) if sender.is_valid else ()
        span = self._tracer.start_span(name, parent, _KINDS[kind], attributes, links)
        return SdkTracedSpan(self._tracer, span) if isinstance(span, SdkSpan) else None

    def declined(self) -> dict[str, str]:
        """See `kith.traces.Tracer.declined`."""
        trace_id, span_id = self._ids.generate_trace_id(), self._ids.generate_span_id()
        return {"traceparent": f"00-{format_trace_id(trace_id)}-{format_span_id(span_id)}-00"}


class SdkTracedSpan:
    """A `kith.traces.Span` on the SDK."""

    __slots__ = ("_span", "_tracer")

    def __init__(self, tracer: OtelTracer, span: SdkSpan) -> None:
        self._tracer = tracer
        self._span = span

    @property
    def trace_id(self) -> str:
        """See Span."""
        return format_trace_id(self._span.get_span_context().trace_id)

    @property
    def began_ns(self) -> int:
        """See Span."""
        return self._span.start_time or 0

    def context(self) -> dict[str, str]:
        """See Span."""
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, self._here())
        return carrier

    def child(
        self, name: str, kind: Kind = Kind.INTERNAL, attributes: Attributes | None = None, began_ns: int | None = None
    ) -> SdkTracedSpan:
        """See Span."""
        span = self._tracer.start_span(name, self._here(), _KINDS[kind], attributes, start_time=began_ns)
        if not isinstance(span, SdkSpan):
            raise AssertionError("A part of a recorded span is not recorded. This is a bug.")
        return SdkTracedSpan(self._tracer, span)

    def describe(self, attributes: Attributes) -> None:
        """See Span."""
        self._span.set_attributes(attributes)

    def end(self, error: str | None = None, ended_ns: int | None = None) -> None:
        """See Span."""
        if error is not None:
            self._span.set_attribute(span_names.ERROR_TYPE, error)
            self._span.set_status(StatusCode.ERROR)
        self._span.end(ended_ns)

    def _here(self) -> OtelContext:
        return set_span_in_context(self._span, OtelContext())


class _ToldExporter(SpanExporter):
    """Exports, and says once that it cannot, and once that it can again: a receiver that is away stops nothing."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._exporter = trace_exporter.OTLPSpanExporter(endpoint, timeout=_EXPORT_S)
        self._said = _SaidInstead()
        # Otherwise it would write a line for every attempt.
        logging.getLogger(trace_exporter.__name__).addFilter(self._said)
        self._away = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._said.last = None
        result = self._exporter.export(spans)
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._away:
            log.warning("traces are not exported", endpoint=self._endpoint, reason=self._said.last)
        elif self._away and not failed:
            log.info("traces are exported again", endpoint=self._endpoint)
        self._away = failed
        return result

    def shutdown(self) -> None:
        self.give_up()
        logging.getLogger(trace_exporter.__name__).removeFilter(self._said)

    def give_up(self) -> None:
        """End an attempt that goes on."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


class _SaidInstead(logging.Filter):
    """Keeps the first line of an attempt, which has its reason, and lets none through."""

    last: str | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        self.last = self.last or record.getMessage()
        return False
