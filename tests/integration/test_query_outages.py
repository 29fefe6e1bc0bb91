"""The query consumer beside parts that are away and requests that mean it harm. One process serves all of a test."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka import Producer

from kith import wiring
from kith.services.local_stack import LocalStack
from kith.services.ports import free_port
from schemas import headers
from schemas.search_records import ReplyStatus, SearchRequest
from streams.clock import now_ms
from tests.kith_process import one_line_error, run
from tests.waiting import wait_until

# Longest that a batch waits for Milvus here.
QUERY_S = 5.0


@pytest.fixture
def ask(settings):
    client = wiring.search_client(settings)
    yield lambda words: client.ask(SearchRequest(words), 20)
    client.close()


def metric(worker, name):
    return [line for line in worker.get("/metrics").text.splitlines() if line.startswith(name)]


def test_requests_that_can_never_be_answered_are_counted_and_the_next_one_is_served(settings, bus, worker, ask):
    serving = worker(settings, "serve")
    topic = bus.topics.replies.name
    good = bus.codec.encode(bus.topics.requests.subject, SearchRequest("bread"))
    producer = Producer(settings.kafka_client())
    for carried in (
        [],
        [(headers.REPLY_TOPIC, f"{topic}.\x00".encode())],
        [(headers.REPLY_TOPIC, f"{topic}.nowhere".encode())],
        [(headers.REPLY_TOPIC, topic.encode()), (headers.REPLY_PARTITION, headers.pack_partition(9999))],
    ):
        producer.produce(bus.topics.requests.name, good, headers=carried)
    assert producer.flush(10) == 0

    assert ask("bread").status is ReplyStatus.OK
    dropped = wait_until(
        lambda: "\n".join(metric(serving, "kith_search_replies_dropped_total")),
        lambda seen: 'reason="refused"} 2.0' in seen,
    )
    assert 'reason="no_reply_topic"} 1.0' in dropped
    assert 'reason="reply_topic_not_allowed"} 1.0' in dropped
    assert serving.terminate() == 0, serving.log.read_text()


def test_what_is_asked_between_two_processes_is_answered_by_the_second(settings, worker, ask):
    first = worker(settings, "serve")
    assert ask("bread").status is ReplyStatus.OK
    assert first.terminate() == 0, first.log.read_text()
    client = wiring.search_client(settings)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.ask, SearchRequest("bread", deadline_at=now_ms() + 60_000), 60)
        worker(settings, "serve")
        assert waiting.result().status is ReplyStatus.OK
    client.close()


def test_milvus_that_goes_away_is_said_in_replies_and_readiness_and_found_again(settings, bus, worker, tmp_path, ask):
    own = LocalStack(tmp_path / "own", settings.parts_dir, external=("kafka", "registry"))
    mine = settings.model_copy(update={"milvus_uri": own.start().milvus_uri, "query_timeout_s": QUERY_S})
    try:
        index = wiring.index(mine)
        wiring.live_collection(mine, index)
        index.close()
        serving = worker(mine, "serve")
        assert ask("bread").status is ReplyStatus.OK

        own.stop(["milvus"])
        # Nobody asks anything meanwhile: it is noticed all the same.
        reasons = wait_until(lambda: serving.get("/readyz"), lambda answer: answer.status_code == 503).json()
        assert mine.milvus_uri in reasons["reasons"]["requests"]
        reply = ask("bread")
        assert reply.status is ReplyStatus.UNAVAILABLE
        assert mine.milvus_uri in reply.error

        own.start()
        wait_until(serving.ready, bool)
        assert ask("bread").status is ReplyStatus.OK
    finally:
        own.stop(["milvus"])


def test_a_registry_that_does_not_answer_at_the_start_is_one_line_and_exit_code_3(settings):
    away = settings.model_copy(update={"schema_registry_url": f"http://127.0.0.1:{free_port()}"})
    done = run(away, "serve")
    assert away.schema_registry_url in one_line_error(done)
    assert done.returncode == 3


def test_words_that_are_no_text_are_one_line(settings):
    assert "not valid Unicode" in one_line_error(run(settings, "search", "\udcff"))
