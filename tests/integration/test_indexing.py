from collections import Counter

from tests.integration.bus import read_all, send, upsert
from tests.waiting import wait_until

from kith import wiring
from schemas.records import DeadLetter, Operation, Outcome, ProfileChange, ProfileEmbedding, Receipt, Stage
from streams.clock import now_ms
from streams.publisher import Outgoing
from workers.model_collections import collection_name


def held(settings):
    index = wiring.index(settings)
    name = collection_name("student-v0", settings.collection_prefix)
    return lambda: index.count(name, 10.0)


def test_changes_become_searchable_and_each_has_a_receipt(settings, worker):
    worker(settings, "index")
    send(settings, *(upsert(f"p{n}", f"Engineer {n}") for n in range(40)))
    wait_until(held(settings), lambda count: count == 40)
    receipts = wait_until(
        lambda: read_all(settings, wiring.topics(settings).receipts, Receipt), lambda found: len(found) >= 40
    )
    assert Counter(r.outcome for r in receipts) == {Outcome.INDEXED: 40}
    assert len({(r.partition, r.offset) for r in receipts}) == 40
    assert all(r.model == "student-v0" and r.occurred_at <= r.settled_at for r in receipts)
    embeddings = read_all(settings, wiring.topics(settings).embeddings, ProfileEmbedding)
    assert {e.profile_id for e in embeddings} == {f"p{n}" for n in range(40)}
    assert {len(e.vector) for e in embeddings} == {384 * 4}


def test_deletes_and_tombstones_take_profiles_out(settings, worker):
    worker(settings, "index")
    send(settings, *(upsert(f"p{n}", f"Engineer {n}") for n in range(3)))
    count = held(settings)
    wait_until(count, lambda seen: seen == 3)
    topic = wiring.topics(settings).changes.name
    send(settings, ProfileChange("p0", 2, now_ms(), Operation.DELETE), Outgoing(topic, b"p1", None))
    wait_until(count, lambda seen: seen == 1)


def test_poisoned_records_become_dead_letters_and_cost_no_other_record(settings, worker):
    worker(settings, "index")
    topics = wiring.topics(settings)
    codec = wiring.codec(settings)
    nul = codec.encode(topics.changes.subject, upsert("nul", "NUL \x00 in a headline"))
    surrogate = codec.encode(topics.changes.subject, upsert("abc", "x")).replace(b"\x06abc", b"\x06\xed\xa0\x80", 1)
    poisoned = {
        b"garbage": b"not avro at all",
        b"empty": b"",
        b"unknown-schema": b"\x00\x00\x0f\xff\xff1234",
        b"nul": nul,
        b"surrogate": surrogate,
        b"another-key": codec.encode(topics.changes.subject, upsert("one-key", "x")),
        b"huge": b"\x00" * (settings.max_record_bytes + 1),
    }
    good = [upsert(f"good{n}", "Gardener") for n in range(20)]
    mixed = [Outgoing(topics.changes.name, key, value) for key, value in poisoned.items()]
    send(settings, *good[:10], *mixed, *good[10:])

    wait_until(held(settings), lambda count: count == 20)
    letters = wait_until(
        lambda: read_all(settings, topics.dead_letters, DeadLetter), lambda found: len(found) >= len(poisoned)
    )
    assert {letter.key: letter.value for letter in letters} == poisoned
    assert all(letter.message and letter.error_class and letter.topic == topics.changes.name for letter in letters)
    stages = {letter.key: letter.stage for letter in letters}
    assert stages[b"garbage"] is Stage.DECODE
    assert stages[b"nul"] is Stage.VALIDATE
    receipts = read_all(settings, topics.receipts, Receipt)
    assert Counter(r.outcome for r in receipts) == {Outcome.INDEXED: 20, Outcome.DEAD_LETTERED: len(poisoned)}


def test_kill_9_in_the_middle_loses_nothing(settings, worker):
    first = worker(settings, "index")
    send(settings, *(upsert(f"p{n}", f"Engineer number {n}", summary="Builds bridges. " * 20) for n in range(600)))
    count = held(settings)
    wait_until(count, lambda seen: seen > 0)
    first.kill()
    assert count() < 600
    worker(settings, "index")
    wait_until(count, lambda seen: seen == 600)


def test_sigterm_finishes_the_batch_in_hand_and_the_next_one_takes_up_behind_it(settings, worker):
    first = worker(settings, "index")
    send(settings, *(upsert(f"p{n}", f"Engineer number {n}", summary="Builds bridges. " * 20) for n in range(400)))
    count = held(settings)
    wait_until(count, lambda seen: seen > 0)
    assert first.terminate() == 0, first.log.read_text()
    worker(settings, "index")
    wait_until(count, lambda seen: seen == 400)
    receipts = wait_until(
        lambda: read_all(settings, wiring.topics(settings).receipts, Receipt), lambda found: len(found) >= 400
    )
    assert len(receipts) == 400, "a stop in good order repeats nothing"
