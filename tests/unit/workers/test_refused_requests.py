"""Requests without a usable reply topic. Nothing listens at the address: letters are looked at before they leave."""

import pytest
from confluent_kafka import KafkaException, Message

from kith import metrics
from kith.errors import Unavailable
from schemas import headers
from schemas.codec import Codec
from schemas.records import DeadLetter, Stage
from schemas.topics import Topics
from tests.fakes_bus import MemoryRegistry
from workers.refused_requests import RefusedRequests

TOPIC = Topics("t.").search_dead_letters


class Wire:
    """Takes what is produced; acknowledges it, or refuses it."""

    def __init__(self):
        self.sent = []
        self.error = None

    def produce(self, topic, value, key, *, headers, on_delivery):
        if self.error is not None:
            raise self.error
        self.sent.append((topic, key, value, headers))
        on_delivery(None, None)

    def poll(self, _timeout):
        return 0


class Desk:
    def __init__(self):
        self.now = 0.0
        self.registry = MemoryRegistry()
        self.codec = Codec(self.registry)
        self.refused = RefusedRequests({"bootstrap.servers": "127.0.0.1:1"}, self.codec, TOPIC, lambda: self.now)
        self.wire = self.refused._producer = Wire()

    def keep(self, reason="no_reply_topic", carried=(), offset=7):
        self.refused.keep(
            reason,
            Message(topic="t.search.requests", partition=3, offset=offset, key=b"k", value=b"\x00v", headers=carried),
        )

    def letters(self):
        return [self.codec.decode(value, DeadLetter) for _topic, _key, value, _headers in self.wire.sent]


@pytest.fixture
def desk():
    return Desk()


def counted(outcome):
    return metrics.SEARCH_DEAD_LETTERS.labels(outcome=outcome)._value.get()


def test_a_letter_holds_the_request_as_it_came_with_place_and_reason(desk):
    before = counted("kept")
    desk.keep("reply_topic_not_allowed", [(headers.REPLY_TOPIC, b"profile.changes")])
    (letter,) = desk.letters()
    assert (letter.topic, letter.partition, letter.offset) == ("t.search.requests", 3, 7)
    assert (letter.key, letter.value, letter.stage) == (b"k", b"\x00v", Stage.VALIDATE)
    assert letter.error_class == "reply_topic_not_allowed"
    assert "'profile.changes'" in letter.message
    ((topic, key, _value, carried),) = desk.wire.sent
    assert (topic, key) == ("t.search.dead-letters", b"t.search.requests:3:7")
    assert headers.header(carried, headers.DEAD_LETTER_CLASS) == b"reply_topic_not_allowed"
    assert counted("kept") == before + 1


@pytest.mark.parametrize("topic", [b"\xff\x00", b"x" * 100_000, "é".encode()])
def test_any_header_can_be_told(desk, topic):
    desk.keep("reply_topic_not_allowed", [(headers.REPLY_TOPIC, topic)])
    (letter,) = desk.letters()
    assert len(letter.message) < 2000


def test_a_flood_is_cut_to_a_burst_and_ten_a_second(desk):
    before = counted("left_out")
    for offset in range(250):
        desk.keep(offset=offset)
    assert [letter.offset for letter in desk.letters()] == list(range(100))
    assert counted("left_out") == before + 150
    desk.now += 2.0
    for offset in range(250, 300):
        desk.keep(offset=offset)
    assert len(desk.wire.sent) == 120
    desk.now += 10_000.0
    for offset in range(300, 500):
        desk.keep(offset=offset)
    assert len(desk.wire.sent) == 220, "what was not used does not add up"


@pytest.mark.parametrize("error", [BufferError("full"), KafkaException("refused")])
def test_a_letter_that_cannot_be_sent_is_counted_and_raises_nothing(desk, error):
    before = counted("failed")
    desk.wire.error = error
    desk.keep()
    assert counted("failed") == before + 1


def test_a_registry_that_is_away_costs_nothing_once_the_contract_was_declared(desk):
    desk.refused.declare()
    desk.registry.away = True
    desk.keep()
    assert len(desk.wire.sent) == 1


def test_a_registry_that_was_never_there_costs_the_letter_and_not_the_process(desk):
    def away(subject, kind):
        raise Unavailable("The registry is away.")

    before = counted("failed")
    desk.registry.register = away
    desk.keep()
    assert counted("failed") == before + 1
