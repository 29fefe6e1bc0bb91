"""Whatever is asked gets a reply: nothing in a request, and nothing on the topic, ends the consumer."""

import numpy as np
import pytest
from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from schemas import headers
from schemas.codec import Codec
from schemas.search_records import (
    FilterOperator,
    RecordPlace,
    ReplyStatus,
    RequestFilter,
    SearchMode,
    SearchReply,
    SearchRequest,
)
from schemas.topics import Topics
from tests.fakes import DIM, BagOfWordsEmbedder, BruteForceIndex, serving
from tests.fakes_bus import MemoryRegistry
from workers.contract import CollectionInfo, ProfileFields, Row
from workers.filters import FILTERABLE_FIELDS
from workers.request_reader import RequestReader, Unanswerable
from workers.retrieval import Retrieval
from workers.search import QueryLimits, Searcher

TOPICS = Topics("t.")
NOW = 1_700_000_000_000
SPECIAL = st.sampled_from(
    ['"', "\\", "' or 1==1 --", '"] or true or country in ["', "{", "$meta", "\x00", "\u202e", "%", ""]
)
# Halves of pairs, too, which no UTF-8 text can hold.
ANY = st.text(st.characters(), max_size=60)
TEXTS = st.one_of(ANY, SPECIAL, st.builds(lambda a, b, c: a + b + c, ANY, SPECIAL, ANY))
SMALL = st.one_of(st.integers(-3, 30), st.integers(-(2**31), 2**31 - 1))
FILTERS = st.builds(
    RequestFilter,
    st.one_of(st.sampled_from(sorted(FILTERABLE_FIELDS)), TEXTS),
    st.sampled_from(FilterOperator),
    st.lists(TEXTS, max_size=4),
)
REQUESTS = st.builds(
    SearchRequest,
    query=TEXTS,
    limit=SMALL,
    filters=st.lists(FILTERS, max_size=3),
    with_matched_text=st.booleans(),
    deadline_at=st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
    requester=st.one_of(st.none(), TEXTS),
    cohort=st.one_of(st.none(), TEXTS),
    at_least=st.lists(st.builds(RecordPlace, TEXTS, SMALL, st.integers(-(2**63), 2**63 - 1)), max_size=2),
    offset=SMALL,
    model=st.one_of(st.none(), st.just("student-v0"), TEXTS),
    mode=st.sampled_from(SearchMode),
    read_query=st.booleans(),
    explain=st.booleans(),
    rights=st.one_of(st.none(), TEXTS),
)


def searcher():
    embedder, index = BagOfWordsEmbedder(), BruteForceIndex()
    (vector,) = embedder.embed(["Baker of bread."])
    index.upsert("c", [Row("bob", 1, ProfileFields(name="Bob", country="DE"), "Baker of bread.", vector)], 1)
    live = CollectionInfo("c", "student-v0", "profile-text-1", DIM)
    return Searcher(serving(embedder), Retrieval(index, 5.0), lambda: live, QueryLimits(10, 50))


@given(st.lists(REQUESTS, max_size=5))
def test_every_request_of_a_batch_gets_a_reply_that_can_be_written(requests):
    replies = searcher().answer(requests, NOW)
    assert len(replies) == len(requests)
    codec = Codec(MemoryRegistry())
    for request, reply in zip(requests, replies, strict=True):
        assert codec.decode(codec.encode("s", reply), SearchReply).status is reply.status
        if reply.status is ReplyStatus.OK:
            assert all(np.isfinite(hit.score) for hit in reply.hits)
            # A value is only ever a value: bob is the only one, and stands in Germany.
            for one in request.filters:
                if one.field == "country" and one.operator is FilterOperator.EQ and reply.hits:
                    assert one.values == ["DE"]
        else:
            assert reply.error


@given(
    st.one_of(st.none(), st.binary(max_size=200)),
    st.dictionaries(
        st.sampled_from(
            [headers.REPLY_TOPIC, headers.REPLY_PARTITION, headers.CORRELATION_ID, headers.CONTENT_TYPE, "traceparent"]
        ),
        st.one_of(st.binary(max_size=40), st.just(b"t.search.replies"), st.just(b"application/json")),
    ),
)
def test_any_record_is_read_as_a_request_or_refused_with_a_reason(value, carried):
    reader = RequestReader(Codec(MemoryRegistry()), r"t\.search\.replies(\..+)?", 10)
    message = Message(TOPICS.requests.name, 0, 7, None, value, list(carried.items()), None, (1, NOW))
    allowed = carried.get(headers.REPLY_TOPIC) == b"t.search.replies"
    if not allowed:
        with pytest.raises(Unanswerable, match=r"^(no_reply_topic|reply_topic_not_allowed)$"):
            reader.read(message)
        return
    asked = reader.read(message)
    assert asked.address.topic == "t.search.replies"
    assert (asked.request is None) != (asked.reply is None)


@given(REQUESTS)
def test_a_request_comes_back_from_the_bus_as_it_was(request):
    codec = Codec(MemoryRegistry())
    try:
        value = codec.encode("s", request)
    except UnicodeEncodeError:
        return
    assert codec.decode(value, SearchRequest) == request
