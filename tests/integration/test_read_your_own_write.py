"""Whoever wrote a record and names it finds what it wrote; who cannot be given that in time is told so."""

import threading
from dataclasses import replace

from kith import wiring
from kith.deadline import Deadline
from schemas.search_records import FilterOperator, RecordPlace, ReplyStatus, RequestFilter, SearchRequest
from streams.clock import now_ms
from streams.publisher import Outgoing
from tests.integration.bus import upsert
from tests.waiting import wait_until

WRITERS, WRITES = 4, 10


def place_of(published):
    ((topic, partition), offset) = next(iter(published.items()))
    return RecordPlace(topic, partition, offset)


def written(settings, codec, publisher, change):
    topic = wiring.topics(settings).changes
    outgoing = Outgoing(topic.name, change.profile_id.encode(), codec.encode(topic.subject, change))
    return place_of(publisher.publish([outgoing], Deadline.after(30)))


def question(profile_id, place, within_ms=20_000):
    return SearchRequest(
        "baker",
        filters=[RequestFilter("profile_id", FilterOperator.EQ, [profile_id])],
        at_least=[place],
        deadline_at=now_ms() + within_ms,
        with_matched_text=False,
    )


def test_every_writer_finds_its_own_write(settings, worker, bus):
    worker(settings, "index")
    worker(settings, "serve")
    found = []

    def write_and_search(name):
        client, codec, publisher = wiring.search_client(settings), wiring.codec(settings), wiring.publisher(settings)
        for version in range(1, WRITES + 1):
            place = written(settings, codec, publisher, upsert(name, f"Baker {version}", version))
            reply = client.ask(question(name, place), 20)
            found.append((reply.status, version, [hit.version for hit in reply.hits]))
            assert place.offset <= next(w.offset for w in reply.watermark if w.partition == place.partition)
        client.close()
        codec.close()

    threads = [threading.Thread(target=write_and_search, args=[f"writer-{n}"]) for n in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(found) == WRITERS * WRITES
    assert all(status is ReplyStatus.OK and versions == [version] for status, version, versions in found), found


def test_what_the_index_does_not_hold_by_the_deadline_is_not_yet(settings, worker, bus):
    indexer = worker(settings, "index")
    worker(settings, "serve")
    client, publisher = wiring.search_client(settings), wiring.publisher(settings)
    try:
        change = replace(upsert("ada", "Baker", 1), occurred_at=1_700_000_000_000)
        seen = written(settings, bus.codec, publisher, change)
        assert client.ask(question("ada", seen), 20).status is ReplyStatus.OK
        told = wait_until(lambda: client.ask(question("ada", seen), 20).watermark, lambda one: one[0].occurred_at)
        assert [(at.partition, at.offset, at.occurred_at) for at in told] == [
            (seen.partition, seen.offset, change.occurred_at)
        ], "the event time is the change's, not the record's"
        assert indexer.terminate() == 0
        unseen = written(settings, bus.codec, publisher, upsert("ada", "Baker", 2))
        asked_at = now_ms()
        reply = client.ask(question("ada", unseen, 2000), 20)
        assert reply.status is ReplyStatus.NOT_YET
        assert now_ms() - asked_at >= 1500, "it waited as long as it might"
        others = client.ask(SearchRequest("baker"), 20)
        assert (others.status, others.hits[0].version) == (ReplyStatus.OK, 1)
        worker(settings, "index")
        answered = wait_until(lambda: client.ask(question("ada", unseen, 5000), 20), lambda one: bool(one.hits))
        assert answered.hits[0].version == 2
    finally:
        client.close()
