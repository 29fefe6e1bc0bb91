"""Spans of questions: the real SDK around the real query consumer; what it sends to is a list."""

import time
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.exposition import generate_latest

from kith.errors import Unavailable
from schemas import headers
from schemas.search_records import FilterOperator, RecordPlace, RequestFilter, SearchRequest
from tests.recorded import SAMPLED, SENDER, TRACE_ID, UNSAMPLED, recorded, traceparent
from tests.unit.workers.test_query_consumer import TOPICS, Desk, Wire
from workers.request_spans import asking, sending, told
from workers.resolved_request import resolved
from workers.traced_request import span_of, traced, untraced

QUESTION = "who bakes bread for Marigold?"
PROCESS = f"process {TOPICS.requests.name}"


class AtOnce(Wire):
    """Acknowledges what is sent."""

    def produce(self, topic, value, *, partition, headers, on_delivery):
        super().produce(topic, value, partition=partition, headers=headers, on_delivery=on_delivery)
        on_delivery(None, None)


@pytest.fixture
def desk():
    one = Desk()
    one.wire = one.sender._producer = AtOnce()
    return one


def asked(desk, request, trace=SAMPLED, offset=7):
    far = int(time.time() * 1000) + 60_000
    carried = [(headers.REPLY_TOPIC, b"t.search.replies"), (headers.CORRELATION_ID, b"id")]
    if trace is not None:
        carried += [("traceparent", trace), ("baggage", b"tenant=7")]
    value = desk.codec.encode(TOPICS.requests.subject, replace(request, deadline_at=far))
    desk.consumer._accept_all([desk.message(value, carried, offset)])


def test_a_question_that_came_with_a_trace_is_one_trace_to_its_reply(desk):
    with recorded(group="t.kith-query") as seen:
        asked(desk, SearchRequest(QUESTION, mode="semantic"))
        assert desk.consumer._work()
    root, sent = seen.one(PROCESS), seen.one("send t.search.replies")
    assert {span.context.trace_id for span in seen.spans} == {TRACE_ID}
    assert (root.parent.span_id, [link.context.span_id for link in root.links]) == (SENDER, [SENDER])
    assert seen.below(root) == ["queue", "embed", "search", "send t.search.replies"]
    assert (root.kind.name, sent.kind.name) == ("CONSUMER", "PRODUCER")
    assert root.attributes["messaging.consumer.group.name"] == "t.kith-query"
    assert (root.attributes["kith.status"], root.attributes["kith.mode"]) == ("ok", "semantic")
    said = repr([(span.name, dict(span.attributes)) for span in seen.spans])
    assert [word for word in ("bakes", "Marigold") if word in said] == [], "nothing of the question"
    ((_topic, _value, _partition, carried),) = desk.wire.sent
    own = traceparent(sent).encode()
    assert carried == [(headers.CORRELATION_ID, b"id"), ("traceparent", own), ("baggage", b"tenant=7")]


def test_each_question_of_a_micro_batch_has_the_stages_that_were_its_own(desk):
    with recorded() as seen:
        asked(desk, SearchRequest('"Marigold"', mode="keyword"), offset=1)
        asked(desk, SearchRequest(QUESTION, mode="semantic"), b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01", offset=2)
        asked(desk, SearchRequest(QUESTION, mode="semantic"), UNSAMPLED, offset=3)
        assert desk.consumer._work()
    roots = {span.context.trace_id: span for span in seen.spans if span.name == PROCESS}
    assert set(roots) == {TRACE_ID, int("1" * 32, 16)}
    # This collection has no words, so the first is refused before it is searched.
    assert seen.below(roots[TRACE_ID]) == ["queue", "send t.search.replies"]
    assert seen.below(roots[int("1" * 32, 16)]) == ["queue", "embed", "search", "send t.search.replies"]
    assert seen.one("embed").attributes["messaging.batch.message_count"] == 2
    assert [dict(carried).get("traceparent") for *_, carried in desk.wire.sent][2] == UNSAMPLED


def test_a_question_that_waits_for_the_index_has_no_stage_of_another_and_ends_once(desk):
    with recorded() as seen:
        asked(desk, SearchRequest(QUESTION, mode="semantic", at_least=[RecordPlace("t.profile.changes", 0, 9)]))
        for _ in range(3):
            desk.consumer._work()
        assert seen.spans == []
        asked(desk, SearchRequest(QUESTION, mode="semantic"), b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01", offset=8)
        desk.consumer._work()
    assert {span.context.trace_id for span in seen.spans} == {int("1" * 32, 16)}


def test_a_question_that_is_asked_again_without_its_own_words_has_both_searches(desk):
    with recorded() as seen:
        asked(desk, SearchRequest("bread in Berlin", mode="semantic"))
        desk.consumer._work()
    assert [name for name in seen.below(seen.one(PROCESS)) if name == "search"] == ["search", "search"]


def test_a_refusal_ends_the_span_and_the_time_of_an_answer_leads_to_its_trace(desk):
    with recorded() as seen:
        carried = [(headers.REPLY_TOPIC, b"t.search.replies"), ("traceparent", SAMPLED)]
        desk.consumer._accept_all([desk.message(b"garbage", carried)])
        assert seen.one(PROCESS).attributes["kith.status"] == "bad_request"
    said = generate_latest(REGISTRY).decode().splitlines()
    exemplars = [line for line in said if 'kith_search_seconds_bucket{le="' in line and "bad_request" in line]
    assert any(f'# {{trace_id="{TRACE_ID:032x}"}}' in line for line in exemplars), exemplars


def test_a_request_keeps_its_span_through_what_is_made_of_it_and_loses_it_where_nobody_waits():
    request = SearchRequest(QUESTION, filters=[RequestFilter("country", FilterOperator.EQ, ["DE"])])
    assert traced(request, None) is request
    with recorded():
        span = asking(())
        one = replace(resolved(traced(request, span), "bread", ["board"]), limit=3)
        assert span_of(one) is span
        assert (one.query, one.labels, one.filters, one.rights) == ("bread", ("board",), request.filters, None)
        assert span_of(untraced(one)) is None
        assert untraced(one) == one


def test_whoever_asks_has_a_span_from_the_request_to_the_reply():
    assert sending(asking(()), "t") is None
    with recorded() as seen:
        span = asking((("traceparent", SAMPLED),))
        sending(span, "search.requests").end()
        told(span, Unavailable("No reply."))
    ask = seen.one("ask")
    assert (ask.parent.span_id, seen.below(ask)) == (SENDER, ["send search.requests"])
    assert ask.attributes["error.type"] == "Unavailable"
