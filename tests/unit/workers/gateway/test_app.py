"""The gateway over HTTP, in memory; what answers on the bus is scripted."""

import asyncio
import json
from concurrent.futures import Future
from dataclasses import fields

import httpx2
import pytest
from openapi_spec_validator import validate

from kith import metrics
from kith.errors import InputError, Unavailable
from schemas.search_records import ReplyStatus, SearchReply, SearchRequest
from schemas.validation import validate_feedback
from tests.recorded import SENDER, TRACE_ID, recorded, traceparent
from workers.gateway.app import Bounds, Gateway, create_app
from workers.gateway.messages import CODES, Timeouts

JSON = {"content-type": "application/json"}
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class ScriptedBus:
    """Gives `outcome` to every question once `open` is set; keeps what was asked and told."""

    def __init__(self):
        self.outcome = SearchReply(ReplyStatus.OK, request_id="r1", model="student-v1")
        self.open = asyncio.Event()
        self.open.set()
        self.asked = []
        self.arrived = asyncio.Queue()
        self.told = []
        self.given_up = 0
        self.away = False

    async def ask_async(self, request, timeout_s, carried=()):
        self.asked.append((request, timeout_s, carried))
        self.arrived.put_nowait(request)
        try:
            async with asyncio.timeout(timeout_s):
                await self.open.wait()
        except TimeoutError:
            raise Unavailable("No reply.") from None
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def submit(self, told):
        validate_feedback(told)
        self.told.append(told)
        sent = Future()
        if self.away:
            sent.set_exception(Unavailable("Kafka is away."))
        else:
            sent.set_result(None)
        return sent


@pytest.fixture
async def bus():
    return ScriptedBus()


@pytest.fixture
def checks():
    return {"kafka": lambda: None}


@pytest.fixture
async def app(bus, checks):
    gateway = Gateway(bus, bus, Bounds(Timeouts(5.0, 10.0), most_in_flight=2, most_body_bytes=1000))
    return create_app(gateway, checks, "1.2.3")


@pytest.fixture
async def http(app):
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://gateway") as client:
        yield client


def count(route, code):
    return metrics.GATEWAY_REQUESTS.labels(route=route, code=str(code))._value.get()


async def test_a_question_is_asked_and_its_reply_given_as_it_is(http, bus):
    before = count("search", 200)
    answer = await http.post(
        "/v1/search",
        json={"query": "bread"},
        headers={"authorization": "Bearer signed", "traceparent": PARENT, "x-request-timeout-ms": "2000"},
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["traceparent"] == PARENT
    body = answer.json()
    assert set(body) == {field.name for field in fields(SearchReply)}
    assert (body["status"], body["request_id"]) == ("ok", "r1")
    ((request, timeout_s, carried),) = bus.asked
    assert (request.query, request.rights, timeout_s) == ("bread", "signed", 2.0)
    assert carried == (("traceparent", PARENT.encode()),)
    assert count("search", 200) == before + 1


async def test_a_trace_goes_on_to_the_bus_or_begins_here_and_holds_nothing_of_the_question(http, bus):
    with recorded() as seen:
        came = {"traceparent": PARENT, "tracestate": "vendor=1", "baggage": "tenant=7"}
        answer = await http.post("/v1/search", json={"query": "bread"}, headers=came)
        assert {name: answer.headers.get(name) for name in came} == came | {"baggage": None}
        bus.outcome = Unavailable("Kafka is away.")
        begun = (await http.post("/v1/search", json={"query": "bread"})).headers["traceparent"]
    gone_on, new = seen.spans
    assert (gone_on.name, gone_on.kind.name) == ("POST /v1/search", "SERVER")
    assert (gone_on.context.trace_id, gone_on.parent.span_id) == (TRACE_ID, SENDER)
    assert dict(gone_on.attributes) == {
        "http.request.method": "POST",
        "http.route": "/v1/search",
        "http.response.status_code": 200,
    }
    own = traceparent(gone_on).encode()
    assert bus.asked[0][2] == (("traceparent", own), ("tracestate", b"vendor=1"), ("baggage", b"tenant=7"))
    assert begun == traceparent(new)
    assert bus.asked[1][2] == (("traceparent", begun.encode()),)
    assert (new.parent, new.status.status_code.name, new.attributes["error.type"]) == (None, "ERROR", "503")
    with recorded(sample=0.0):
        answer = await http.post("/v1/search", json={"query": "bread"})
    assert "traceparent" not in answer.headers
    assert bus.asked[2][2][0][1].endswith(b"-00"), "nobody behind it records it either"


async def test_metrics_are_openmetrics_where_that_is_asked_for(http):
    plain = await http.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain")
    given = await http.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert given.headers["content-type"].startswith("application/openmetrics-text")
    assert given.text.endswith("# EOF\n")


@pytest.mark.parametrize("status", list(ReplyStatus))
async def test_each_status_has_its_code(http, bus, status):
    bus.outcome = SearchReply(status, "why", retry_after_ms=2500 if status is ReplyStatus.OVERLOADED else None)
    answer = await http.post("/v1/search", json={"query": "bread"})
    assert (answer.status_code, answer.json()["status"]) == (CODES[status], status.value)
    again = {ReplyStatus.OVERLOADED: "3", ReplyStatus.UNAVAILABLE: "1"}
    assert answer.headers.get("retry-after") == again.get(status)
    if status is ReplyStatus.OVERLOADED:
        assert answer.json()["retry_after_ms"] == 2500


async def test_no_reply_in_time_is_504_and_no_kafka_before_that_503(http, bus):
    bus.open.clear()
    late = await http.post("/v1/search", json={"query": "bread"}, headers={"x-request-timeout-ms": "10"})
    assert (late.status_code, late.json()["status"]) == (504, "expired")
    bus.open.set()
    bus.outcome = Unavailable("Kafka is away.")
    away = await http.post("/v1/search", json={"query": "bread"})
    assert (away.status_code, away.json()["status"], away.headers["retry-after"]) == (503, "unavailable", "1")
    bus.outcome = InputError("Not Unicode.")
    assert (await http.post("/v1/search", json={"query": "bread"})).status_code == 400


@pytest.mark.parametrize(
    ("content", "given", "code"),
    [
        (b"{", JSON, 400),
        (b'{"query": "x", "colour": 1}', JSON, 400),
        (b'{"query": "x"}', {"content-type": "text/plain"}, 415),
        (b'{"query": "x"}', {}, 415),
        (b'{"query": "x"}', JSON | {"authorization": "Basic eDp5"}, 401),
        (b'{"query": "' + b"x" * 1000 + b'"}', JSON, 413),
    ],
)
@pytest.mark.parametrize("path", ["/v1/search", "/v1/feedback"])
async def test_what_cannot_be_asked_is_refused_in_a_sentence(http, bus, path, content, given, code):
    if path == "/v1/feedback" and code == 401:
        code = 400
    answer = await http.post(path, content=content, headers=given)
    assert answer.status_code == code
    assert answer.json()["error"]
    assert (bus.asked, bus.told) == ([], [])
    assert ("www-authenticate" in answer.headers) == (code == 401)


async def test_a_body_without_a_length_is_bounded_too(http, bus):
    async def pieces():
        for _ in range(100):
            yield b" " * 100

    assert (await http.post("/v1/search", content=pieces(), headers=JSON)).status_code == 413
    assert bus.asked == []


async def test_more_than_may_be_in_hand_are_told_to_come_again(http, bus):
    bus.open.clear()
    waiting = [asyncio.create_task(http.post("/v1/search", json={"query": str(n)})) for n in range(2)]
    for _ in waiting:
        await bus.arrived.get()
    full = await http.post("/v1/search", json={"query": "one more"})
    assert (full.status_code, full.json()["status"]) == (429, "overloaded")
    assert (full.headers["retry-after"], full.json()["retry_after_ms"]) == ("1", 1000)
    assert (await http.get("/healthz")).status_code == 200
    bus.open.set()
    assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200, 200]
    assert (await http.post("/v1/search", json={"query": "now"})).status_code == 200


async def test_a_client_that_goes_away_gives_its_question_up(app, bus):
    bus.open.clear()
    before = count("search", 499)
    incoming = asyncio.Queue()
    incoming.put_nowait({"type": "http.request", "body": b'{"query": "bread"}', "more_body": False})
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/search",
        "raw_path": b"/v1/search",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "http_version": "1.1",
    }
    sent = []

    async def send(message):
        sent.append(message)

    served = asyncio.create_task(app(scope, incoming.get, send))
    await bus.arrived.get()
    incoming.put_nowait({"type": "http.disconnect"})
    await served
    assert bus.given_up == 1
    assert count("search", 499) == before + 1


async def test_feedback_is_told_once_it_was_acknowledged(http, bus):
    body = {"request_id": "r1", "profile_id": "p1", "model": "student-v1", "action": "connect"}
    answer = await http.post("/v1/feedback", json=body)
    assert (answer.status_code, answer.json()) == (202, {"accepted": True})
    assert bus.told[0].profile_id == "p1"
    wrong = await http.post("/v1/feedback", json=body | {"profile_id": "p 1"})
    assert wrong.status_code == 400
    assert "profile_id" in wrong.json()["error"]
    bus.away = True
    away = await http.post("/v1/feedback", json=body)
    assert (away.status_code, away.headers["retry-after"]) == (503, "1")


async def test_it_is_ready_while_no_check_says_otherwise(http, checks):
    assert (await http.get("/readyz")).json() == {"ready": True, "reasons": {}}
    checks["kafka"] = lambda: "away"
    answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "reasons": {"kafka": "away"}})


async def test_metrics_are_those_of_prometheus(http):
    await http.post("/v1/search", json={"query": "bread"})
    answer = await http.get("/metrics")
    assert 'kith_gateway_requests_total{code="200",route="search"}' in answer.text


async def test_the_document_is_valid_and_names_every_field_with_the_words_of_its_contract(http):
    document = (await http.get("/openapi.json")).json()
    validate(document)
    assert document["info"]["version"] == "1.2.3"
    assert {"/v1/search", "/v1/feedback", "/healthz", "/readyz", "/metrics"} <= set(document["paths"])
    schemas = document["components"]["schemas"]
    for kind in (SearchRequest, SearchReply):
        described = schemas[kind.__name__]["properties"]
        assert set(described) == {field.name for field in fields(kind)}
        assert all(one["description"] for one in described.values())
    assert schemas["RequestFilter"]["properties"]["operator"]["description"]
    answered = document["paths"]["/v1/search"]["post"]["responses"]
    assert {str(code) for code in CODES.values()} <= set(answered)
    assert json.dumps(document).count('"$defs"') == 0


async def test_there_are_no_pages_that_fetch_scripts_from_elsewhere(http):
    assert {(await http.get(path)).status_code for path in ("/docs", "/redoc")} == {404}
