"""What cannot be answered, and what is too large to be: said, counted, kept, and no request beside it is lost."""

import json
import uuid

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from kith.settings import DEFAULT_MODEL_DIR
from schemas import headers
from schemas.records import DeadLetter
from schemas.search_records import FilterOperator, ReplyStatus, RequestFilter, SearchReply, SearchRequest
from tests.integration.bus import upsert
from tests.waiting import wait_until


@pytest.fixture
def serving(settings, worker, bus, held):
    worker(settings, "index")
    bus.send(upsert("baker", "Artisan baker, sourdough and croissants", country="DE"))
    wait_until(held, lambda count: count == 1)
    return worker(settings, "serve")


class Asking:
    """Asks as a foreign client does, one question after the other."""

    def __init__(self, settings, bus):
        self._topics, self._codec = bus.topics, bus.codec
        self._consumer = Consumer(settings.kafka_client(**{"group.id": "asking", "enable.auto.commit": False}))
        place = TopicPartition(self._topics.replies.name, 1)
        place.offset = self._consumer.get_watermark_offsets(place, timeout=10)[1]
        self._consumer.assign([place])
        self._producer = Producer(settings.kafka_client())

    def send(self, value, *carried):
        self._producer.produce(self._topics.requests.name, value, headers=list(carried))
        assert self._producer.flush(10) == 0

    def ask(self, request):
        return self.answer(self._codec.encode(self._topics.requests.subject, request))

    def answer(self, value, *carried):
        asked = uuid.uuid4().bytes
        self.send(
            value,
            (headers.REPLY_TOPIC, self._topics.replies.name.encode()),
            (headers.REPLY_PARTITION, headers.pack_partition(1)),
            (headers.CORRELATION_ID, asked),
            *carried,
        )
        message = self._consumer.poll(30)
        assert message is not None
        assert headers.header(message.headers(), headers.CORRELATION_ID) == asked
        if carried:
            return json.loads(message.value())
        return self._codec.decode(message.value(), SearchReply)

    def close(self):
        self._consumer.close()


@pytest.fixture
def asking(settings, bus, serving):
    one = Asking(settings, bus)
    yield one
    one.close()


def test_a_request_without_a_usable_reply_topic_is_a_dead_letter_and_the_next_one_is_answered(bus, serving, asking):
    good = bus.codec.encode(bus.topics.requests.subject, SearchRequest("bread"))
    asking.send(good)
    asking.send(b"\xff garbage", (headers.REPLY_TOPIC, bus.topics.changes.name.encode()))
    asking.send(good, (headers.REPLY_TOPIC, b"\x00\xff"))
    assert asking.ask(SearchRequest("bread")).hits[0].profile_id == "baker"

    letters = wait_until(
        lambda: bus.read_all(bus.topics.search_dead_letters, DeadLetter), lambda found: len(found) == 3
    )
    reasons = {(letter.error_class, letter.value) for letter in letters}
    assert reasons == {
        ("no_reply_topic", good),
        ("reply_topic_not_allowed", b"\xff garbage"),
        ("reply_topic_not_allowed", good),
    }
    assert {letter.topic for letter in letters} == {bus.topics.requests.name}
    metrics = serving.get("/metrics").text
    assert 'kith_search_dead_letters_total{outcome="kept"} 3.0' in metrics
    assert 'kith_search_replies_dropped_total{reason="no_reply_topic"} 1.0' in metrics
    assert 'kith_search_replies_dropped_total{reason="reply_topic_not_allowed"} 2.0' in metrics


def test_what_is_too_large_or_none_is_refused_and_the_largest_that_is_allowed_is_answered(settings, asking):
    country = RequestFilter("country", FilterOperator.EQ, ["DE"])
    allowed = (
        SearchRequest("bread " * (settings.query_max_chars // 6), limit=settings.query_max_limit),
        SearchRequest("bread", filters=[country] * 16),
        SearchRequest("bread", filters=[RequestFilter("country", FilterOperator.IN, ["DE"] * 256)]),
        SearchRequest("bread", filters=[RequestFilter("profile_id", FilterOperator.NOT_IN, ["p" * 128])]),
    )
    for request in allowed:
        reply = asking.ask(request)
        assert (reply.status, reply.model) == (ReplyStatus.OK, DEFAULT_MODEL_DIR.name), reply.error
    too_large = (
        (SearchRequest("x" * (settings.query_max_chars + 1)), "characters"),
        (SearchRequest("bread", limit=settings.query_max_limit + 1), "limit"),
        (SearchRequest("bread", limit=2**31 - 1), "limit"),
        (SearchRequest("bread", limit=-1), "limit"),
        (SearchRequest("bread", filters=[country] * 17), "filters"),
        (SearchRequest("bread", filters=[RequestFilter("country", FilterOperator.IN, ["DE"] * 257)]), "values"),
        (SearchRequest("bread", filters=[RequestFilter("profile_id", FilterOperator.EQ, ["p" * 129])]), "bytes"),
    )
    for request, word in too_large:
        reply = asking.ask(request)
        assert reply.status is ReplyStatus.BAD_REQUEST
        assert word in str(reply.error)
    for value in (
        b"{",
        b"[" * 100_000,
        b'{"query": "x", "limit": 99999999999999999999}',
        b'{"query": 1}',
        b"\x00" * 1000,
    ):
        refused = asking.answer(value, (headers.CONTENT_TYPE, b"application/json"))
        assert refused["status"] == "bad_request"
        assert len(refused["error"]) < 1000
