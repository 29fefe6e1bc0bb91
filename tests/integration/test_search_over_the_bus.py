from dataclasses import replace

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from kith import wiring
from kith.settings import DEFAULT_MODEL_DIR
from schemas import headers
from schemas.search_records import FilterOperator, ReplyStatus, RequestFilter, SearchMode, SearchReply, SearchRequest
from tests.integration.bus import upsert
from tests.kith_process import one_line_error, run
from tests.waiting import wait_until

PEOPLE = (
    upsert("oncologist", "Medical oncologist, solid tumours and chemotherapy", country="DE", seniority="senior"),
    upsert("roofer", "Roofer. Slate, tiles, flashing and gutters", country="FR", seniority="mid"),
    upsert("baker", "Artisan baker, sourdough and croissants", country="DE", seniority="lead"),
)


@pytest.fixture
def serving(settings, worker, bus, held):
    """A query consumer over three people."""
    worker(settings, "index")
    bus.send(*PEOPLE)
    wait_until(held, lambda count: count == len(PEOPLE))
    return worker(settings, "serve")


def test_a_question_in_other_words_finds_the_right_person(settings, bus, serving):
    client = wiring.search_client(settings)
    try:
        reply = client.ask(SearchRequest("who knows about treating cancer?"), 20)
        assert (reply.status, reply.hits[0].profile_id) == (ReplyStatus.OK, "oncologist")
        assert reply.hits[0].matched_text.startswith("Medical oncologist")
        assert reply.model == DEFAULT_MODEL_DIR.name
        assert [h.score for h in reply.hits] == sorted((h.score for h in reply.hits), reverse=True)

        only = client.ask(
            SearchRequest("who repairs a roof?", filters=[RequestFilter("country", FilterOperator.IN, ["DE"])]), 20
        )
        assert {hit.profile_id for hit in only.hits} == {"oncologist", "baker"}

        for request in (
            SearchRequest("   "),
            SearchRequest("x", limit=0),
            SearchRequest("x" * 3000),
            SearchRequest("x", filters=[RequestFilter("vector", FilterOperator.EQ, ["1"])]),
        ):
            refused = client.ask(request, 20)
            assert refused.status is ReplyStatus.BAD_REQUEST
            assert refused.error
        assert client.ask(SearchRequest("late", deadline_at=1), 20).status is ReplyStatus.EXPIRED
    finally:
        client.close()
    assert serving.terminate() == 0, serving.log.read_text()


def test_a_name_is_found_by_its_words_and_a_changed_one_too(settings, bus, serving):
    client = wiring.search_client(settings)

    def first(words, **asked):
        reply = client.ask(SearchRequest(words, **asked), 20)
        return reply.mode, [hit.profile_id for hit in reply.hits][:1]

    try:
        assert first("roofer name of") == ("hybrid", ["roofer"])
        assert first('"Name of baker"') == ("keyword", ["baker"])
        explained = client.ask(SearchRequest("Name of baker", mode=SearchMode.HYBRID, explain=True), 20).hits[0]
        assert (explained.profile_id, explained.explanation.keyword_rank) == ("baker", 1)
        # The name is not in the text that is embedded: nothing but the words changes.
        married = upsert("baker", "Artisan baker, sourdough and croissants", 2, country="DE", seniority="lead")
        bus.send(replace(married, profile=replace(married.profile, name="Zoë Ångström")))
        wait_until(lambda: first("zoe angstrom", mode=SearchMode.KEYWORD), lambda found: found[1] == ["baker"])
        shown = run(settings, "search", "angstrom, zoe", "--mode", "keyword", "--explain")
        assert shown.returncode == 0, shown.stderr
        assert "by words" in shown.stdout
        assert "(keyword)" in shown.stdout
    finally:
        client.close()


def test_the_conventions_of_a_foreign_client_are_kept(settings, bus, serving):
    topics, codec = bus.topics, bus.codec
    consumer = Consumer(settings.kafka_client(**{"group.id": "foreign", "enable.auto.commit": False}))
    _low, end = consumer.get_watermark_offsets(TopicPartition(topics.replies.name, 1), timeout=10)
    consumer.assign([TopicPartition(topics.replies.name, 1, end)])
    producer = Producer(settings.kafka_client())

    def ask(value, correlation_id, topic=topics.replies.name):
        carried = [
            (headers.REPLY_TOPIC, topic.encode()),
            (headers.REPLY_PARTITION, headers.pack_partition(1)),
            (headers.CORRELATION_ID, correlation_id),
        ]
        producer.produce(topics.requests.name, value, headers=carried)
        assert producer.flush(10) == 0

    good = codec.encode(topics.requests.subject, SearchRequest("bread"))
    ask(good, b"elsewhere", topic="somebody.elses.topic")
    ask(b"garbage", b"\x00\xffbad")
    ask(good, b"\x00\xffgood")
    replies = {}
    while len(replies) < 2:
        message = consumer.poll(20)
        assert message is not None, f"only {replies} came"
        correlation_id = headers.header(message.headers(), headers.CORRELATION_ID)
        error = headers.header(message.headers(), headers.ERROR)
        replies[correlation_id] = (codec.decode(message.value(), SearchReply), error)
    consumer.close()
    bad, bad_header = replies[b"\x00\xffbad"]
    assert (bad.status, bad_header) == (ReplyStatus.BAD_REQUEST, b"bad_request")
    answered, good_header = replies[b"\x00\xffgood"]
    assert (answered.hits[0].profile_id, good_header) == ("baker", None)


def test_the_command_prints_a_table_or_json_and_tells_when_nobody_answers(settings, bus, serving):
    table = run(settings, "search", "who can fix my leaking roof?", "--limit", "2")
    assert table.returncode == 0, table.stderr
    assert "Name of roofer" in table.stdout
    as_json = run(settings, "search", "bread", "--json", "--country", "FR")
    assert '"profile_id": "roofer"' in as_json.stdout
    nobody = run(settings, "search", "bread", "--country", "XX")
    assert (nobody.returncode, nobody.stdout.strip()) == (1, "nobody found")
    refused = run(settings, "search", "bread", "--limit", "100000")
    assert "limit is 100000" in one_line_error(refused)
    assert refused.returncode == 2

    serving.terminate()
    silent = run(settings, "search", "bread", "--timeout", "2")
    assert "Is the query consumer running?" in one_line_error(silent)
    assert silent.returncode == 3
