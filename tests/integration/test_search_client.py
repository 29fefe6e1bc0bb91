"""One client, many questions at a time, from threads and from an event loop."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

import kith
from kith.errors import InputError, SettingsError, Unavailable
from schemas.search_records import FilterOperator, ReplyStatus, RequestFilter, SearchRequest
from tests.integration.bus import upsert
from tests.waiting import wait_until

PEOPLE = 30


def question(number):
    only = RequestFilter("profile_id", FilterOperator.EQ, [f"person-{number % PEOPLE}"])
    return SearchRequest("who bakes?", filters=[only], with_matched_text=False)


def whom(reply):
    return reply.status, [hit.profile_id for hit in reply.hits]


@pytest.fixture
def client(settings):
    bus = {"kafka_bootstrap": settings.kafka_bootstrap, "schema_registry_url": settings.schema_registry_url}
    with kith.SearchClient(**bus, topic_prefix=settings.topic_prefix) as one:
        yield one


def test_each_of_many_gets_its_own_reply_from_threads_and_from_an_event_loop(settings, worker, bus, held, client):
    worker(settings.model_copy(update={"query_max_wait_ms": 30_000}), "serve")
    worker(settings, "index")
    bus.send(*(upsert(f"person-{number}", "Baker") for number in range(PEOPLE)))
    wait_until(held, lambda count: count == PEOPLE)
    wanted = [(ReplyStatus.OK, [f"person-{number % PEOPLE}"]) for number in range(200)]
    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda number: client.ask(question(number), 30), range(200)))
    assert [whom(reply) for reply in replies] == wanted
    assert len({reply.request_id for reply in replies}) == 200
    assert all(reply.total_ms >= reply.queue_ms >= 0 for reply in replies)

    async def all_at_once():
        return await asyncio.gather(*(client.ask_async(question(number), 30) for number in range(200)))

    assert [whom(reply) for reply in asyncio.run(all_at_once())] == wanted


def test_who_gets_no_reply_is_told_at_the_own_deadline_and_nobody_waits_for_a_closed_client(client):
    late, later = client.submit(SearchRequest("x"), 0.5), client.submit(SearchRequest("y"), 60)
    given_up = client.submit(SearchRequest("z"), 60)
    assert given_up.cancel()
    with pytest.raises(Unavailable, match=r"No reply within 0\.5 s"):
        late.result(30)
    assert not later.done()
    with pytest.raises(InputError, match="Unicode"):
        client.ask(SearchRequest("\ud800"), 1)
    client.close()
    with pytest.raises(Unavailable, match="closed before a reply"):
        later.result(0)
    with pytest.raises(Unavailable, match="closed"):
        client.ask(SearchRequest("x"), 1)


def test_a_client_that_cannot_be_put_together_says_what_is_missing(settings):
    with pytest.raises(SettingsError, match="KITH_KAFKA_BOOTSTRAP"):
        kith.SearchClient(kafka_bootstrap="", schema_registry_url=settings.schema_registry_url)
    with pytest.raises(Unavailable, match="does not answer"):
        kith.SearchClient(kafka_bootstrap="127.0.0.1:1", schema_registry_url=settings.schema_registry_url)
