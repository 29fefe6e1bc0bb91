"""What the consumer makes of a record before and after its work. Nothing listens at the address: no test needs it."""

import json
import time

import pytest
from confluent_kafka import Message, TopicPartition

from schemas import headers
from schemas.codec import Codec
from schemas.search_records import ReplyStatus, SearchReply, SearchRequest
from schemas.topics import Topics
from tests.fakes import BagOfWordsEmbedder, BruteForceIndex, serving
from tests.fakes_bus import MemoryRegistry
from workers.contract import CollectionInfo
from workers.load import RequestQueue
from workers.query_consumer import QueryConsumer
from workers.refused_requests import RefusedRequests
from workers.reply_sender import ReplySender
from workers.request_reader import ReplyAddress, RequestReader, Unanswerable
from workers.retrieval import Retrieval
from workers.search import QueryLimits, Searcher

TOPICS = Topics("t.")
WRITTEN_AT = 1_700_000_000_000


class Wire:
    """Takes what is sent."""

    def __init__(self):
        self.sent = []

    def produce(self, topic, value, *, partition, headers, on_delivery):
        self.sent.append((topic, value, partition, headers))

    def poll(self, _timeout):
        return 0

    def flush(self, _timeout):
        return 0


class Desk:
    def __init__(self):
        self.registry = MemoryRegistry()
        self.codec = Codec(self.registry)
        live = CollectionInfo("c", "student-v0", "profile-text-1", 16)
        searcher = Searcher(
            serving(BagOfWordsEmbedder()), Retrieval(BruteForceIndex(), 5.0), lambda: live, QueryLimits(10, 50)
        )
        nowhere = {"bootstrap.servers": "127.0.0.1:1", "group.id": "t.kith-query"}
        self.sender = ReplySender(nowhere, self.codec, TOPICS.replies)
        self.refused = RefusedRequests(nowhere, self.codec, TOPICS.search_dead_letters)
        self.queue = RequestQueue(4, 100, lambda one: one.partition, lambda: 0.0)
        self.reader = RequestReader(self.codec, r"t\.search\.replies(\..+)?", 10)
        self.consumer = QueryConsumer(
            nowhere,
            TOPICS.requests,
            searcher,
            self.reader,
            self.sender,
            self.refused,
            self.queue,
            batch_wait_s=0.0,
        )
        self.wire = Wire()
        self.sender._producer = self.wire

    def message(
        self, value=None, carried=((headers.REPLY_TOPIC, b"t.search.replies"),), offset=7, written_at=WRITTEN_AT
    ):
        if value is None:
            value = self.codec.encode(TOPICS.requests.subject, SearchRequest("bread"))
        return Message(
            topic=TOPICS.requests.name,
            partition=0,
            offset=offset,
            value=value,
            headers=list(carried),
            timestamp=(1, written_at),
        )

    def read(self, *args, **kwargs):
        return self.reader.read(self.message(*args, **kwargs))


@pytest.fixture
def desk():
    return Desk()


@pytest.mark.parametrize(
    "topic",
    [
        b"",
        b"t.profile.changes",
        b"search.replies",
        b"txsearch.replies",
        b"t.search.replies\n",
        b"xt.search.replies",
        # Names that Kafka does not know; the first of them cannot even be handed to librdkafka.
        b"t.search.replies.\x00",
        b"t.search.replies.a b",
        b"t.search.replies.\xff",
        b"t.search.replies." + b"a" * 250,
    ],
)
def test_no_reply_is_written_to_a_topic_that_is_not_allowed(desk, topic):
    with pytest.raises(Unanswerable, match="no_reply_topic" if not topic else "reply_topic_not_allowed"):
        desk.read(carried=[(headers.REPLY_TOPIC, topic)])


def test_a_request_that_names_no_reply_topic_is_left(desk):
    with pytest.raises(Unanswerable, match="no_reply_topic"):
        desk.read(carried=[])


@pytest.mark.parametrize("topic", ["t.search.replies", "t.search.replies.shop-1_a"])
def test_the_reply_goes_where_the_headers_say_and_the_correlation_id_stays_as_it_came(desk, topic):
    asked = desk.read(
        carried=[
            (headers.REPLY_TOPIC, topic.encode()),
            (headers.REPLY_PARTITION, headers.pack_partition(3)),
            (headers.CORRELATION_ID, b"\x00\xff\x80"),
        ]
    )
    assert asked.address == ReplyAddress(topic, 3, [(headers.CORRELATION_ID, b"\x00\xff\x80")])
    assert asked.request.query == "bread"


@pytest.mark.parametrize("partition", [b"", b"\x00", b"1", b"\x00\x00\x00\x00\x01", b"\xff\xff\xff\xff"])
def test_a_partition_header_that_is_none_leaves_the_choice_to_kafka(desk, partition):
    asked = desk.read(carried=[(headers.REPLY_TOPIC, b"t.search.replies"), (headers.REPLY_PARTITION, partition)])
    assert asked.address.partition is None


def test_a_request_without_a_deadline_gets_the_default_from_its_own_time(desk):
    assert desk.read().request.deadline_at == WRITTEN_AT + 10_000


def test_a_deadline_that_was_given_stays(desk):
    given = desk.codec.encode(TOPICS.requests.subject, SearchRequest("bread", deadline_at=5))
    assert desk.read(given).request.deadline_at == 5


@pytest.mark.parametrize("value", [b"", b"garbage", b"\x00\x00\x00\x00\x63", b"\x00\x00\x00\x00\x01\xff\xff"])
def test_what_cannot_be_read_is_answered_as_a_bad_request(desk, value):
    desk.codec.encode(TOPICS.requests.subject, SearchRequest("bread"))
    asked = desk.read(value)
    assert (asked.request, asked.reply.status) == (None, ReplyStatus.BAD_REQUEST)
    assert asked.reply.error


def test_a_registry_that_is_away_is_said_and_schemas_known_before_go_on(desk):
    known = desk.codec.encode(TOPICS.requests.subject, SearchRequest("bread"))
    assert desk.read(known).request is not None
    desk.registry.away = True
    assert desk.read(known).request is not None
    assert desk.read(b"\x00\x00\x00\x00\x63").reply.status is ReplyStatus.UNAVAILABLE


def test_an_offset_of_a_partition_that_went_elsewhere_ends_nothing(desk):
    desk.consumer._keep_offset(desk.message())


def test_it_is_not_ready_before_it_is_a_member_of_its_group(desk):
    assert "not yet a member" in desk.consumer.reason


def test_what_is_sent_says_that_it_failed_in_a_header_and_only_then(desk):
    desk.sender.send(
        ReplyAddress("t.search.replies", 1, [(headers.CORRELATION_ID, b"\xff")]),
        SearchReply(ReplyStatus.EXPIRED, "late"),
    )
    desk.sender.send(ReplyAddress("t.search.replies", None, []), SearchReply(ReplyStatus.OK))
    (_, late, at, carried), (_, fine, anywhere, nothing) = desk.wire.sent
    assert (at, carried) == (1, [(headers.CORRELATION_ID, b"\xff"), (headers.ERROR, b"expired")])
    assert (anywhere, nothing) == (-1, [])
    assert desk.codec.decode(late, SearchReply).error == "late"
    assert desk.codec.decode(fine, SearchReply).status is ReplyStatus.OK


def test_a_request_in_json_is_answered_in_json_and_the_trace_is_carried(desk):
    trace = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    carried = (
        (headers.REPLY_TOPIC, b"t.search.replies"),
        (headers.CONTENT_TYPE, b"application/json; charset=utf-8"),
        ("traceparent", trace),
    )
    asked = desk.read(b'{"query": "bread", "limit": 3}', carried)
    assert (asked.request.query, asked.request.limit) == ("bread", 3)
    desk.sender.send(asked.address, SearchReply(ReplyStatus.OK, model="student-v0"))
    _topic, value, _partition, carried_back = desk.wire.sent[0]
    body, found = json.loads(value), dict(carried_back)
    assert (body["status"], body["model"], body["hits"]) == ("ok", "student-v0", [])
    assert found == {"traceparent": trace, headers.CONTENT_TYPE: b"application/json"}

    for bad, named in ((b'{"query": "x", "colour": "red"}', "colour"), (b"{", "JSON"), (b'{"query": 1}', "query")):
        refused = desk.read(bad, carried)
        assert refused.reply.status is ReplyStatus.BAD_REQUEST
        assert named in refused.reply.error


def test_who_there_is_no_room_for_is_told_at_once_and_the_others_are_answered_later(desk):
    desk.queue.worked(90, 4)
    far = int(time.time() * 1000) + 60_000
    for number in range(10):
        value = desk.codec.encode(TOPICS.requests.subject, SearchRequest(f"bread {number}", limit=3, deadline_at=far))
        desk.consumer._accept_all([desk.message(value, offset=number)])
    refused = [desk.codec.decode(value, SearchReply) for _topic, value, *_ in desk.wire.sent]
    assert {reply.status for reply in refused} == {ReplyStatus.OVERLOADED}
    assert [reply.retry_after_ms for reply in refused] == [180, 180]
    assert desk.consumer._offsets.passed() == [], "eight are before them"
    assert desk.consumer._work()
    assert desk.consumer._work()
    assert not desk.consumer._work()
    answered = [desk.codec.decode(value, SearchReply) for _topic, value, *_ in desk.wire.sent[2:]]
    assert [reply.status for reply in answered] == [ReplyStatus.OK] * 8
    assert [reply.degraded for reply in answered] == [["matched_text"]] * 4 + [["matched_text"]] * 4
    assert len({reply.request_id for reply in answered}) == 8


def test_under_an_overload_that_lasts_who_came_last_is_answered(desk):
    far = int(time.time() * 1000) + 60_000

    def message(number):
        value = desk.codec.encode(TOPICS.requests.subject, SearchRequest(f"bread {number}", limit=3, deadline_at=far))
        carried = [(headers.REPLY_TOPIC, b"t.search.replies"), (headers.CORRELATION_ID, f"{number}".encode())]
        return desk.message(value, carried, offset=number, written_at=WRITTEN_AT + number)

    for size in (1, 4) * 20:
        desk.queue.worked(10 * size, size)
    desk.queue._overloaded_until = time.monotonic() + 60
    desk.consumer._accept_all([message(number) for number in range(3)])
    assert desk.consumer._work()
    replies = [desk.codec.decode(value, SearchReply) for _topic, value, *_ in desk.wire.sent]
    statuses = [reply.status for reply in replies]
    assert statuses == [ReplyStatus.OVERLOADED] * 2 + [ReplyStatus.OK]
    assert [dict(carried)[headers.CORRELATION_ID] for *_, carried in desk.wire.sent] == [b"1", b"0", b"2"]


def test_who_is_shed_is_told_that_it_was_too_much(desk):
    far = int(time.time() * 1000) + 60_000
    for size in (1, 4) * 20:
        desk.queue.worked(10 * size, size)
    values = [
        desk.codec.encode(TOPICS.requests.subject, SearchRequest(f"bread {number}", limit=3, deadline_at=far))
        for number in range(8)
    ]
    desk.consumer._accept_all([desk.message(value, offset=number) for number, value in enumerate(values)])
    assert desk.wire.sent == []
    desk.queue._overloaded_until = time.monotonic() + 60
    assert desk.consumer._work()
    statuses = [desk.codec.decode(value, SearchReply).status for _topic, value, *_ in desk.wire.sent]
    assert (statuses.count(ReplyStatus.OVERLOADED), statuses.count(ReplyStatus.OK)) == (6, 1)
    assert desk.consumer._work()
    assert len(desk.wire.sent) == 8


def test_how_long_the_first_micro_batch_took_is_not_learnt(desk):
    far = int(time.time() * 1000) + 60_000
    value = desk.codec.encode(TOPICS.requests.subject, SearchRequest("bread", limit=3, deadline_at=far))
    learnt = []
    desk.queue.worked = lambda _took_ms, requests: learnt.append(requests)
    for number in range(3):
        desk.consumer._accept_all([desk.message(value, offset=number)])
        assert desk.consumer._work()
    assert learnt == [1, 1]


def test_what_is_late_or_wrong_takes_no_room(desk):
    for number, request in enumerate(
        [
            SearchRequest("late", deadline_at=1),
            SearchRequest(" ", deadline_at=int(2e12)),
            SearchRequest("x", 0, deadline_at=int(2e12)),
        ]
    ):
        value = desk.codec.encode(TOPICS.requests.subject, request)
        desk.consumer._accept_all([desk.message(value, offset=number)])
    assert len(desk.queue) == 0
    statuses = [desk.codec.decode(value, SearchReply).status for _topic, value, *_ in desk.wire.sent]
    assert statuses == [ReplyStatus.EXPIRED, ReplyStatus.BAD_REQUEST, ReplyStatus.BAD_REQUEST]
    assert [message.offset() for message in desk.consumer._offsets.passed()] == [2]


def test_what_another_consumer_has_now_is_left_to_it(desk):
    value = desk.codec.encode(TOPICS.requests.subject, SearchRequest("bread", deadline_at=int(2e12)))
    desk.consumer._accept_all([desk.message(value)])
    desk.consumer._on_revoke(None, [TopicPartition(TOPICS.requests.name, 0)])
    assert not desk.consumer._work()
    assert desk.wire.sent == []
