"""What traces cost the indexer: microseconds of CPU a record, of all threads, from what was fetched to acknowledged.

The path is the real one; model, index and brokers do next to nothing, so that the rest is seen. A span that is exported
is encoded as OTLP and thrown away.

Example: `python -m benchmarks.tracing_cost` or `python -m benchmarks.tracing_cost 512`
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

import numpy as np
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from benchmarks.environment import describe
from benchmarks.timing import Case, measure
from distill.synthetic import synthetic_profiles
from kith import traces
from kith.tracing import SdkTracer, provider_of
from schemas.codec import Codec
from schemas.headers import Headers
from schemas.records import Operation, ProfileChange
from schemas.topics import Topics
from streams.back_pressure import BackPressure
from streams.decode import Decoder
from streams.effects import Effects
from streams.incoming import Incoming
from streams.index_profiles import BatchBounds, ProfileIndexing
from streams.known_profiles import KnownProfiles
from streams.record_spans import taken
from tests.fakes import BruteForceIndex
from tests.fakes_bus import ListPublisher, MemoryRegistry, MemoryTable
from workers.contract import Vectors
from workers.indexing import ModelIndexer
from workers.render import render

RECORDS = 1024
BATCH = 128
ROUNDS = 7
DIM = 384
_CAME = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"


class _NoModel:
    dim = DIM

    def embed(self, texts: Sequence[str]) -> Vectors:
        return np.full((len(texts), DIM), DIM**-0.5, dtype=np.float32)


class _Encoded(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        encode_spans(spans).SerializePartialToString()
        return SpanExportResult.SUCCESS


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else RECORDS
    codec = Codec(MemoryRegistry())
    records = [
        (
            one.profile_id.encode(),
            codec.encode("changes-value", ProfileChange(one.profile_id, 1, 1, Operation.UPSERT, "bench", one.profile)),
        )
        for one in synthetic_profiles(count, seed=1)
    ]
    provider = provider_of("bench", "0", 0.0, BatchSpanProcessor(_Encoded(), max_queue_size=8 * count))
    tracer = SdkTracer(provider.get_tracer("kith"), "kith-index")
    cases = {
        "off": partial(_run, codec, records, None),
        "off, a context came": partial(_run, codec, records, [("traceparent", _CAME + b"01")]),
        "on, none came, none begun": partial(_recorded, tracer, provider, partial(_run, codec, records, None)),
        "on, not recorded": partial(
            _recorded, tracer, provider, partial(_run, codec, records, [("traceparent", _CAME + b"00")])
        ),
        "on, recorded": partial(
            _recorded, tracer, provider, partial(_run, codec, records, [("traceparent", _CAME + b"01")])
        ),
    }
    done = measure([Case(name, run, count, 0) for name, run in cases.items()], ROUNDS)
    provider.shutdown()
    print(describe("opentelemetry-sdk"))
    print(f"{count} changes in batches of {BATCH}, all embedded and written; median of {ROUNDS} rounds in turn")
    base = median(done["off"].cpu)
    for name, figures in done.items():
        each = [seconds / count * 1e6 for seconds in figures.cpu]
        more = (median(figures.cpu) - base) / count * 1e6
        print(f"{name:26} {median(each):7.1f} us a record  ({min(each):.1f} to {max(each):.1f})  {more:+.1f}")


def _recorded(tracer: SdkTracer, provider: TracerProvider, run: Callable[[], None]) -> None:
    traces.install(tracer)
    try:
        run()
        provider.force_flush()
    finally:
        traces.install(None)


def _run(codec: Codec, records: Sequence[tuple[bytes, bytes]], carried: Headers | None) -> None:
    asyncio.run(_settle(codec, records, carried))


async def _settle(codec: Codec, records: Sequence[tuple[bytes, bytes]], carried: Headers | None) -> None:
    topics, table, publisher = Topics(), MemoryTable(), ListPublisher()
    indexing = ProfileIndexing(
        Decoder(codec, 1_000_000),
        KnownProfiles(lambda: table, codec, publisher, topics.state, lambda: {"changes": "1"}, timeout_s=5),
        ModelIndexer(_NoModel(), BruteForceIndex(), "c"),
        Effects(publisher, codec, topics, model="m", renderer="r", timeout_s=5),
        BackPressure(1.0, 5.0),
        BatchBounds(BATCH, 1_000_000, 60.0),
        render=render,
    )
    for start in range(0, len(records), BATCH):
        piece = records[start : start + BATCH]
        batch = [
            taken(Incoming("changes", 0, start + place, key, value), carried)
            for place, (key, value) in enumerate(piece)
        ]
        await indexing.settle(await indexing.decide(batch), _acknowledged)


async def _acknowledged(_records: Sequence[Incoming]) -> None:
    """Nobody waits for it."""


if __name__ == "__main__":
    main()
