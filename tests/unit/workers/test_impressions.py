"""What is logged of a reply, and what is counted where it cannot be. Nothing listens at the address."""

import pytest

from kith import metrics
from schemas.codec import Codec
from schemas.search_records import ReplyHit, ReplyStatus, SearchImpression, SearchReply, SearchRequest, ShownHit
from schemas.topics import Topics
from tests.fakes_bus import MemoryRegistry
from workers.impressions import Impressions

TOPICS = Topics("t.")
NOWHERE = {"bootstrap.servers": "127.0.0.1:1"}
REQUEST = SearchRequest("bread", requester="member-1", cohort="beta", offset=10, rights="signed")
HIT = ReplyHit("baker", 3, 0.5, "Name", "Baker", "", "DE", "", "", "Bread and cakes.")
REPLY = SearchReply(
    ReplyStatus.OK, hits=[HIT], model="student-v1", collection="c", request_id="r1", mode="hybrid", total_ms=12.0
)


def dropped(reason):
    return metrics.IMPRESSIONS_DROPPED.labels(reason=reason)._value.get()


@pytest.fixture
def registry():
    return MemoryRegistry()


@pytest.fixture
def impressions(registry):
    return Impressions(NOWHERE, Codec(registry), TOPICS, room=2)


def test_what_was_shown_is_logged_without_rights_names_and_texts(impressions):
    impressions.shown(REQUEST, REPLY, 1_700_000_000_000)
    assert impressions._waiting.get_nowait() == SearchImpression(
        request_id="r1",
        answered_at=1_700_000_000_000,
        query="bread",
        mode="hybrid",
        model="student-v1",
        collection="c",
        requester="member-1",
        cohort="beta",
        offset=10,
        hits=[ShownHit("baker", 3, 0.5)],
        total_ms=12.0,
    )


@pytest.mark.parametrize(
    "reply", [SearchReply(ReplyStatus.OK, request_id="r1"), SearchReply(ReplyStatus.EXPIRED, "late", [HIT])]
)
def test_a_reply_that_shows_nobody_is_none(impressions, reply):
    impressions.shown(REQUEST, reply, 1)
    assert impressions._waiting.empty()


def test_what_finds_no_room_is_counted(impressions):
    before = dropped("queue_full")
    for _ in range(5):
        impressions.shown(REQUEST, REPLY, 1)
    assert dropped("queue_full") == before + 3


def test_a_reply_without_a_name_is_counted(impressions):
    before = dropped("no_request_id")
    impressions.shown(REQUEST, SearchReply(ReplyStatus.OK, hits=[HIT]), 1)
    assert dropped("no_request_id") == before + 1


def test_what_cannot_be_encoded_is_counted(impressions, registry, monkeypatch):
    before = dropped("not_unicode")
    impressions._send(SearchImpression("r1", 1, "\ud800", "auto", "m", "c", None, None, 0, [], 1.0))
    assert dropped("not_unicode") == before + 1


def test_what_brokers_do_not_take_is_counted_once_it_is_left(impressions, monkeypatch):
    monkeypatch.setattr("workers.impressions._FLUSH_S", 0.1)
    before = dropped("not_acknowledged")
    with impressions:
        impressions.shown(REQUEST, REPLY, 1)
    assert dropped("not_acknowledged") == before + 1
