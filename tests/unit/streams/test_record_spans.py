"""Spans of changes: the real SDK around the real path from bytes to effects, on parts that live in memory."""

import numpy as np
import pytest
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.exposition import generate_latest

from kith.errors import Unavailable
from schemas import headers
from schemas.codec import Codec
from schemas.records import Operation, Profile, ProfileChange
from schemas.topics import Topics
from streams.back_pressure import BackPressure
from streams.clock import now_ms
from streams.decode import Decoder
from streams.effects import Effects
from streams.incoming import Incoming
from streams.index_profiles import BatchBounds, ProfileIndexing
from streams.known_profiles import KnownProfiles
from streams.record_spans import taken
from tests.fakes import BagOfWordsEmbedder, BruteForceIndex
from tests.fakes_bus import ListPublisher, MemoryRegistry, MemoryTable
from tests.recorded import SAMPLED, SENDER, TRACE_ID, UNSAMPLED, recorded, traceparent
from workers.indexing import ModelIndexer
from workers.render import render

TOPICS = Topics("t.")
CHANGES = TOPICS.changes.name
PROCESS = f"process {CHANGES}"
WRITTEN = ("decode", "embed", "write", "send t.profile.embeddings", "send t.profile.receipts")
BAGGAGE = ("baggage", b"tenant=7")


class Path:
    def __init__(self):
        self.codec, self.publisher, self.index = Codec(MemoryRegistry()), ListPublisher(), BruteForceIndex()
        table = MemoryTable()
        self.indexing = ProfileIndexing(
            Decoder(self.codec, 20_000),
            KnownProfiles(lambda: table, self.codec, self.publisher, TOPICS.state, lambda: {CHANGES: "1"}, timeout_s=5),
            ModelIndexer(BagOfWordsEmbedder(), self.index, "c"),
            Effects(self.publisher, self.codec, TOPICS, model="m", renderer="r", timeout_s=5),
            BackPressure(0.01, 5),
            BatchBounds(8, 10_000, 5),
            render=render,
        )
        self.end = 0

    def value(self, profile_id, version=1, operation=Operation.UPSERT):
        profile = Profile("Ada Quill", headline="Engineer") if operation is Operation.UPSERT else None
        change = ProfileChange(profile_id, version, now_ms(), operation, None, profile)
        return self.codec.encode(TOPICS.changes.subject, change)

    async def settle(self, *records):
        """Records as (key, value, headers), at once."""
        incoming = [
            taken(Incoming(CHANGES, 3, self.end + place, key, value), carried)
            for place, (key, value, carried) in enumerate(records)
        ]
        self.end += len(records)

        async def acknowledge(_done):
            pass

        await self.indexing.settle(await self.indexing.decide(incoming), acknowledge)

    def sent(self, topic):
        return [one for one in self.publisher.published if one.topic == topic.name]


async def test_a_change_that_came_with_a_trace_is_one_trace_to_its_receipt():
    path = Path()
    with recorded(group="t.kith-index-m") as seen:
        carried = [("traceparent", SAMPLED), ("tracestate", b"vendor=1"), BAGGAGE, ("other", b"x")]
        await path.settle((b"p", path.value("p"), carried))
    root = seen.one(PROCESS)
    assert {span.context.trace_id for span in seen.spans} == {TRACE_ID}
    assert (root.parent.span_id, [link.context.span_id for link in root.links]) == (SENDER, [SENDER])
    assert tuple(seen.below(root)) == WRITTEN
    assert root.kind.name == "CONSUMER"
    assert dict(root.attributes) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": CHANGES,
        "messaging.destination.partition.id": "3",
        "messaging.kafka.offset": 0,
        "messaging.consumer.group.name": "t.kith-index-m",
        "kith.outcome": "indexed",
    }
    said = repr([dict(span.attributes) for span in seen.spans])
    assert [word for word in ("Ada", "Quill", "Engineer", "'p'") if word in said] == [], "nothing of a person"
    own = traceparent(root).encode()
    for topic in (TOPICS.receipts, TOPICS.embeddings):
        (record,) = path.sent(topic)
        assert record.headers == [("traceparent", own), ("tracestate", b"vendor=1"), BAGGAGE]


async def test_work_that_is_done_at_once_is_a_part_of_each_recorded_trace_and_of_no_other():
    path = Path()
    with recorded() as seen:
        other = b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01"
        await path.settle(
            (b"a", path.value("a"), [("traceparent", SAMPLED)]),
            (b"b", path.value("b"), [("traceparent", other)]),
            (b"c", path.value("c"), [("traceparent", UNSAMPLED)]),
        )
    roots = [span for span in seen.spans if span.name == PROCESS]
    assert {span.context.trace_id for span in seen.spans} == {TRACE_ID, int("1" * 32, 16)}
    assert [tuple(seen.below(root)) for root in roots] == [WRITTEN, WRITTEN]
    embeds = [span for span in seen.spans if span.name == "embed"]
    assert len({(span.start_time, span.end_time) for span in embeds}) == 1
    assert {span.attributes["messaging.batch.message_count"] for span in embeds} == {3}
    # What nobody records goes on as it came.
    assert path.sent(TOPICS.receipts)[2].headers == [("traceparent", UNSAMPLED)]

    with recorded() as seen:
        gone = path.value("a", 2, Operation.DELETE)
        await path.settle((b"a", gone, [("traceparent", SAMPLED)]), (b"d", path.value("d"), [("traceparent", other)]))
    parts = {span.attributes["kith.outcome"]: seen.below(span) for span in seen.spans if span.name == PROCESS}
    assert ("embed" in parts["indexed"], "embed" in parts["deleted"]) == (True, False), "a deletion embeds nothing"


async def test_what_becomes_of_a_record_and_what_fails_meanwhile_is_told():
    path = Path()
    with recorded() as seen:
        await path.settle((b"p", b"garbage", [("traceparent", SAMPLED)]))
        dead = seen.one(PROCESS)
        assert (dead.attributes["kith.outcome"], dead.attributes["error.type"]) == ("dead_lettered", "DecodeError")
        assert dead.status.status_code.name == "ERROR"
    (letter,) = path.sent(TOPICS.dead_letters)
    assert headers.header(letter.headers, "traceparent")[3:35] == SAMPLED[3:35]
    assert headers.header(letter.headers, headers.DEAD_LETTER_STAGE) == b"decode"

    path, tried = Path(), []

    def away(_collection, _rows, timeout_s):
        tried.append(timeout_s)
        if len(tried) == 1:
            raise Unavailable("Milvus is away.")

    path.index.upsert = away
    with recorded() as seen:
        await path.settle((b"p", path.value("p"), [("traceparent", SAMPLED)]))
    writes = [span for span in seen.spans if span.name == "write"]
    assert [span.attributes.get("error.type") for span in writes] == ["Unavailable", None]

    with recorded() as seen:
        await path.settle((b"p", path.value("p", 2, Operation.DELETE), [("traceparent", SAMPLED)]))
    root = seen.one(PROCESS)
    assert root.attributes["kith.outcome"] == "deleted"
    assert "write" in seen.below(root)
    assert path.sent(TOPICS.embeddings)[-1].headers[0][0] == "traceparent"


@pytest.mark.parametrize("sample", [0.0, 1.0])
async def test_whoever_began_the_trace_decides_and_without_one_it_begins_here_by_chance(sample):
    path = Path()
    with recorded(sample) as seen:
        await path.settle((b"p", path.value("p"), None))
        assert [span.parent for span in seen.spans if span.name == PROCESS] == ([None] if sample else [])
        before = len(seen.spans)
        await path.settle((b"q", path.value("q"), [("traceparent", UNSAMPLED)]))
        assert len(seen.spans) == before
        await path.settle((b"r", path.value("r"), [("traceparent", SAMPLED)]))
        assert len(seen.spans) > before
    bulk = Incoming(TOPICS.backfill.name, 0, 1, b"p", None, bulk=True)
    with recorded():
        assert taken(bulk, []).span is None, "what is replayed happened long ago"
        assert taken(bulk, [("traceparent", SAMPLED)]).span is not None


async def test_with_traces_off_the_headers_go_on_as_they_came_and_what_is_too_long_is_left():
    path = Path()
    carried = {"traceparent": SAMPLED, "tracestate": b"vendor=1", "baggage": b"x" * 8193}
    await path.settle((b"p", path.value("p"), carried), (b"q", path.value("q"), None))
    traced, plain = path.sent(TOPICS.receipts)
    assert traced.headers == [("traceparent", SAMPLED), ("tracestate", b"vendor=1")]
    assert plain.headers is None


async def test_the_freshness_of_a_recorded_change_leads_to_its_trace():
    path = Path()
    with recorded():
        await path.settle((b"p", path.value("p"), [("traceparent", SAMPLED)]))
    said = generate_latest(REGISTRY).decode()
    exemplars = [line for line in said.splitlines() if line.startswith("kith_freshness_seconds_bucket") and "#" in line]
    assert any(f'# {{trace_id="{TRACE_ID:032x}"}}' in line for line in exemplars), exemplars
    assert np.isfinite(float(exemplars[0].split()[-2]))
