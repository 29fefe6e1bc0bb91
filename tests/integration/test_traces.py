"""One trace from a change to searchable, and one from a question to its answer: real processes, a real receiver."""

import json

import httpx2
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from schemas import headers
from streams.publisher import Outgoing
from tests.integration.bus import upsert
from tests.kith_process import run
from tests.otlp_receiver import OtlpReceiver
from tests.recorded import SAMPLED, SENDER, TRACE_ID
from tests.waiting import wait_until

OPEN_METRICS = {"accept": "application/openmetrics-text; version=1.0.0"}


@pytest.fixture
def receiver():
    with OtlpReceiver() as one:
        yield one


@pytest.fixture
def traced(settings, receiver):
    """Nothing that begins here is recorded, unless a test says so: traces that came are."""
    return settings.model_copy(update={"traces_endpoint": receiver.url, "traces_sample": 0.0})


def tree(spans):
    """Names of spans by the name of their parent; those of a parent elsewhere by its id."""
    names = {span.span_id: span.name for _service, span in spans}
    found = {}
    for _service, span in sorted(spans, key=lambda one: one[1].start_time_unix_nano):
        parent = names.get(span.parent_span_id, span.parent_span_id.hex())
        found.setdefault(parent, []).append(span.name)
    return found


def headers_of_all(settings, topic):
    consumer = Consumer(settings.kafka_client(**{"group.id": "look"}))
    try:
        partitions = consumer.list_topics(topic.name, timeout=10).topics[topic.name].partitions
        consumer.assign([TopicPartition(topic.name, number, OFFSET_BEGINNING) for number in partitions])
        return [one.headers() or [] for one in consumer.consume(10, timeout=2) if one.error() is None]
    finally:
        consumer.close()


def exemplars(worker, metric):
    said = httpx2.get(f"http://127.0.0.1:{worker.port}/metrics", headers=OPEN_METRICS).text
    return [line for line in said.splitlines() if line.startswith(f"{metric}_bucket") and "trace_id" in line]


def test_a_change_to_searchable_and_a_question_to_its_answer_are_one_trace_each(traced, worker, bus, held, receiver):
    indexer, topics = worker(traced, "index"), bus.topics
    change = upsert("p1", "Gardener")
    value = bus.codec.encode(topics.changes.subject, change)
    carried = [("traceparent", SAMPLED), ("tracestate", b"vendor=1")]
    bus.send(Outgoing(topics.changes.name, b"p1", value, carried), upsert("p2", "Baker"))
    wait_until(held, lambda count: count == 2)
    process, receipts = f"process {topics.changes.name}", f"send {topics.receipts.name}"
    spans = wait_until(
        lambda: receiver.trace(f"{TRACE_ID:032x}"), lambda seen: process in {span.name for _service, span in seen}
    )
    assert tree(spans) == {
        f"{SENDER:016x}": [process],
        process: ["decode", "embed", "write", f"send {topics.embeddings.name}", receipts],
    }
    assert {service for service, _span in receiver.spans()} == {"kith-indexer"}
    assert len(receiver.spans()) == len(spans), "the other change is recorded by nobody"
    (root,) = (span for _service, span in spans if span.name == process)
    told = [carried for carried in headers_of_all(traced, topics.receipts) if carried]
    own = f"00-{TRACE_ID:032x}-{root.span_id.hex()}-01".encode()
    assert told == [[("traceparent", own), ("tracestate", b"vendor=1")]]
    assert f'trace_id="{TRACE_ID:032x}"' in exemplars(indexer, "kith_freshness_seconds")[0]

    serving = worker(traced, "serve")
    asks = traced.model_copy(update={"traces_sample": 1.0})
    done = run(asks, "search", "who grows flowers?", "--json")
    assert json.loads(done.stdout)["status"] == "ok", done.stderr
    process, replies = f"process {topics.requests.name}", f"send {topics.replies.name}"
    spans = wait_until(
        lambda: [one for one in receiver.spans() if one[1].trace_id.hex() != f"{TRACE_ID:032x}"],
        lambda seen: {process, "ask"} <= {span.name for _service, span in seen},
    )
    assert len({span.trace_id for _service, span in spans}) == 1
    assert tree(spans) == {
        "": ["ask"],
        "ask": [f"send {topics.requests.name}"],
        f"send {topics.requests.name}": [process],
        process: ["queue", "embed", "search", replies],
    }
    assert {service for service, _span in spans} == {"kith-search", "kith-query"}
    (sent,) = (span for _service, span in spans if span.name == replies)
    (answer,) = headers_of_all(traced, topics.replies)
    assert headers.header(answer, "traceparent").split(b"-")[2] == sent.span_id.hex().encode()
    assert f'trace_id="{sent.trace_id.hex()}"' in exemplars(serving, "kith_search_seconds")[0]
    assert (indexer.terminate(), serving.terminate()) == (0, 0)
