"""The gateway as its users run it: HTTP in, the real bus behind, a query consumer at its other end."""

import asyncio
import json
import socket
import subprocess
from dataclasses import dataclass, fields

import httpx2
import pytest
from confluent_kafka import Consumer
from openapi_spec_validator import validate

from kith import wiring
from kith.services.ports import LOOPBACK, free_port
from kith.settings import DEFAULT_MODEL_DIR, Settings
from schemas import headers
from schemas.rollouts import SearchFeedback
from schemas.search_records import ReplyStatus, SearchImpression, SearchReply, SearchRequest
from streams.feedback_join import FeedbackJoin
from streams.publisher import Outgoing
from tests.conftest import installation_on
from tests.integration.bus import Bus, upsert
from tests.integration.conftest import Worker
from tests.kith_process import command, one_line_error, run
from tests.waiting import wait_until
from workers.model_collections import collection_name

PEOPLE = (
    upsert("oncologist", "Medical oncologist, solid tumours and chemotherapy", country="DE", seniority="senior"),
    upsert("roofer", "Roofer. Slate, tiles, flashing and gutters", country="FR", seniority="mid"),
    upsert("baker", "Artisan baker, sourdough and croissants", country="DE", seniority="lead"),
)
QUESTIONS = ("who knows about treating cancer?", "who repairs a leaking roof?", "bread for breakfast")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Gateway:
    """A running `kith gateway`."""

    def __init__(self, settings, log):
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.log = log
        self._file = log.open("wb")
        argv = command(settings, "gateway", "--port", str(self.port))
        self.process = subprocess.Popen(argv, stdout=self._file, stderr=subprocess.STDOUT)

    def ready(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=2.0).status_code == 200
        except httpx2.TransportError:
            return False

    def search(self, body, **given):
        return httpx2.post(f"{self.url}/v1/search", json=body, headers=given, timeout=30.0)

    def metrics(self):
        return httpx2.get(f"{self.url}/metrics").text

    def close(self):
        code = self.process.wait(timeout=30)
        self._file.close()
        return code


@pytest.fixture
def gateway(settings, tmp_path):
    """On a bus that nobody answers from."""
    yield from running(settings, tmp_path)


def running(settings, folder):
    one = Gateway(settings, folder / "gateway.log")
    try:
        wait_until(one.ready, bool)
        yield one
    finally:
        if one.process.poll() is None:
            one.process.kill()
            one.close()


@dataclass
class Served:
    """An installation that answers, three people in it."""

    settings: Settings
    bus: Bus
    gateway: Gateway


@pytest.fixture(scope="module")
def served(stack, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    settings = installation_on(stack, folder, partitions=2)
    bus, index = Bus(settings), wiring.index(settings)
    workers = [Worker(settings, verb, folder / f"{verb}.log") for verb in ("index", "serve")]
    try:
        for one in workers:
            one.wait_ready()
        bus.send(*PEOPLE)
        name = collection_name(DEFAULT_MODEL_DIR.name, settings.collection_prefix)
        wait_until(lambda: index.count(name, 10.0), lambda count: count == len(PEOPLE))
        for gateway in running(settings, folder):
            yield Served(settings, bus, gateway)
    finally:
        for one in workers:
            one.kill()
        bus.close()
        index.close()


def impressions_of(bus):
    return {one.request_id: one for one in bus.read_all(bus.topics.impressions, SearchImpression)}


def ids(answer):
    assert answer.status_code == 200, answer.text
    return [hit["profile_id"] for hit in answer.json()["hits"]]


def test_questions_over_http_are_answered_from_the_bus(served):
    gateway, bus = served.gateway, served.bus
    found = gateway.search({"query": QUESTIONS[0]}, traceparent=TRACE)
    assert ids(found)[0] == "oncologist"
    assert set(found.json()) == {field.name for field in fields(SearchReply)}
    assert found.headers["traceparent"] == TRACE

    only = {"query": QUESTIONS[1], "filters": [{"field": "country", "operator": "in", "values": ["DE"]}]}
    assert set(ids(gateway.search(only))) == {"oncologist", "baker"}

    for body, named in (
        ({"query": "   "}, "query"),
        ({"query": "x", "limit": 0}, "limit"),
        ({"query": "x", "colour": "red"}, "colour"),
        ({"query": "x", "filters": [{"field": "vector", "operator": "eq", "values": ["1"]}]}, "vector"),
    ):
        refused = gateway.search(body)
        assert (refused.status_code, refused.json()["status"]) == (400, "bad_request")
        assert named in refused.json()["error"]

    ahead = {"query": "x", "at_least": [{"topic": bus.topics.changes.name, "partition": 0, "offset": 10**9}]}
    not_yet = gateway.search(ahead, **{"x-request-timeout-ms": "2000"})
    assert (not_yet.status_code, not_yet.json()["status"]) == (409, "not_yet")

    document = httpx2.get(f"{gateway.url}/openapi.json").json()
    validate(document)
    described = document["components"]["schemas"]["SearchRequest"]["properties"]
    assert set(described) == {field.name for field in fields(SearchRequest)}
    assert 'kith_gateway_requests_total{code="409",route="search"} 1.0' in gateway.metrics()


async def test_fifty_questions_at_a_time_each_get_their_own_answer(served):
    limits = httpx2.Limits(max_connections=50)
    async with httpx2.AsyncClient(base_url=served.gateway.url, limits=limits, timeout=60.0) as http:

        async def ask(number):
            # Which question, and how many hits: every answer can be told from its neighbours'.
            body = {"query": QUESTIONS[number % 3], "limit": 1 + number % 2, "deadline_at": None}
            for _attempt in range(20):
                answer = await http.post("/v1/search", json=body)
                if answer.status_code != 429:
                    break
                await asyncio.sleep(float(answer.headers["retry-after"]))
            return number, ids(answer), answer.json()["request_id"]

        answers = await asyncio.gather(*(ask(number) for number in range(50)))
    for number, found, _request_id in answers:
        assert found[0] == PEOPLE[number % 3].profile_id
        assert len(found) == 1 + number % 2
    assert len({request_id for *_rest, request_id in answers}) == 50


def test_what_a_requester_does_is_joined_with_what_was_shown(served):
    settings, gateway, bus = served.settings, served.gateway, served.bus
    others = len(impressions_of(bus))
    reply = gateway.search({"query": QUESTIONS[0], "requester": "member-1"}).json()
    shown = [hit["profile_id"] for hit in reply["hits"]]
    impressions = wait_until(lambda: impressions_of(bus), lambda held: reply["request_id"] in held)
    impression = impressions[reply["request_id"]]
    assert [hit.profile_id for hit in impression.hits] == shown
    assert (impression.requester, impression.model) == ("member-1", reply["model"])

    told = {"request_id": reply["request_id"], "profile_id": shown[0], "model": reply["model"], "action": "connect"}
    for body in (told, told, told | {"profile_id": "p 1"}, told | {"request_id": "unknown", "action": "dismiss"}):
        answer = httpx2.post(f"{gateway.url}/v1/feedback", json=body)
        assert answer.status_code == (400 if " " in body["profile_id"] else 202), answer.text
    sent = run(settings, "feedback", "send", reply["request_id"], shown[1], "view")
    assert sent.returncode == 0, sent.stderr
    assert len(bus.read_all(bus.topics.feedback, SearchFeedback)) == 4
    bus.send(Outgoing(bus.topics.feedback.name, None, b"garbage"))

    printed = run(settings, "feedback", "show", "--json")
    assert printed.returncode == 0, printed.stderr
    sums = json.loads(printed.stdout)
    (group,) = [one for one in sums["groups"] if one["mode"] == reply["mode"]]
    assert (group["model"], group["clicked"]) == (reply["model"], 1)
    assert sum(one["impressions"] for one in sums["groups"]) == len(impressions_of(bus)) > others
    assert group["actions"] == {"view": 1, "connect": 1, "message": 0, "dismiss": 0}
    assert [one["clicked"] for one in sums["positions"][:3]] == [1, 1, 0]
    assert (sums["duplicates"], sums["without_impression"]["dismiss"], sums["unreadable"]) == (1, 1, 1)

    join = FeedbackJoin(settings.kafka_client(), bus.codec, bus.topics, lambda _topic, _done, _total: None)
    later = join.run(impression.answered_at + 1)
    assert (later.earlier.total(), later.without.total()) == (2, 1)
    assert sum(group.clicked for group in later.groups.values()) == 0

    table = run(settings, "feedback", "show", "--since", "2020-01-01")
    assert reply["model"] in table.stdout
    assert "without an impression 1" in table.stdout
    refused = run(settings, "feedback", "show", "--since", "2999-01-01")
    assert "lies in the future" in one_line_error(refused)

    for arguments, named in (
        ([reply["request_id"], "roo fer", "view"], "profile_id"),
        ([reply["request_id"], "nobody", "view"], "did not show nobody"),
        (["0" * 32, "roofer", "view"], "--model"),
    ):
        wrong = run(settings, "feedback", "send", *arguments)
        assert named in one_line_error(wrong)
        assert wrong.returncode == 2


def test_requests_in_hand_are_answered_before_it_ends(settings, gateway, bus):
    consumer = Consumer(settings.kafka_client(**{"group.id": "hand", "auto.offset.reset": "earliest"}))
    consumer.subscribe([bus.topics.requests.name])
    body = b'{"query": "bread"}'
    head = (
        f"POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"X-Request-Timeout-Ms: 20000\r\nTraceparent: {TRACE}\r\nAuthorization: Bearer signed-rights\r\n\r\n"
    )
    with socket.create_connection((LOOPBACK, gateway.port), timeout=30) as wire:
        wire.sendall(head.encode() + body)
        message = wait_until(lambda: consumer.poll(0.5), lambda one: one is not None and one.error() is None)
        carried = message.headers()
        assert headers.header(carried, "traceparent") == TRACE.encode()
        asked = bus.codec.decode(message.value(), SearchRequest)
        assert (asked.query, asked.rights) == ("bread", "signed-rights")
        assert asked.deadline_at is not None
        gateway.process.terminate()
        wait_until(lambda: _refuses(gateway.port), bool)
        bus.answer(carried, SearchReply(ReplyStatus.OK, model="by hand"))
        answer = b"".join(iter(lambda: wire.recv(65_536), b""))
    consumer.close()
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"model": "by hand"' in answer
    assert gateway.close() == 0, gateway.log.read_text()
    assert "signed-rights" not in gateway.log.read_text()
    assert "bread" not in gateway.log.read_text()


def test_a_client_that_goes_away_is_not_waited_for(gateway):
    body = b'{"query": "bread"}'
    head = (
        f"POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((LOOPBACK, gateway.port), timeout=30) as wire:
        wire.sendall(head.encode() + body)
        wait_until(gateway.metrics, lambda text: "kith_gateway_in_flight 1.0" in text)
    # The default deadline is 10 s away.
    wait_until(gateway.metrics, lambda text: 'requests_total{code="499",route="search"} 1.0' in text, timeout_s=5.0)
    assert "kith_gateway_in_flight 0.0" in gateway.metrics()


def _refuses(port):
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return True
    return False


def test_a_port_that_is_taken_and_a_bus_that_is_silent_are_said(settings, gateway):
    taken = run(settings, "gateway", "--port", str(gateway.port))
    assert f"cannot listen on 127.0.0.1:{gateway.port}" in one_line_error(taken)
    assert taken.returncode == 3
    silent = gateway.search({"query": "bread"}, **{"x-request-timeout-ms": "500"})
    assert (silent.status_code, silent.json()["status"]) == (504, "expired")
    nowhere = settings.model_copy(update={"kafka_bootstrap": f"127.0.0.1:{free_port()}"})
    away = run(nowhere, "gateway", "--port", "0")
    assert "does not answer" in one_line_error(away)
    assert away.returncode == 3
