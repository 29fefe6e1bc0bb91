from collections import Counter

from kith.settings import DEFAULT_MODEL_DIR
from schemas.records import DeadLetter, Operation, Outcome, ProfileChange, ProfileEmbedding, Receipt, Stage
from streams.clock import now_ms
from streams.publisher import Outgoing
from tests.integration.bus import upsert
from tests.waiting import wait_until


def test_changes_become_searchable_and_each_has_a_receipt(settings, worker, bus, held):
    worker(settings, "index")
    bus.send(*(upsert(f"p{n}", f"Engineer {n}") for n in range(40)))
    wait_until(held, lambda count: count == 40)
    receipts = wait_until(lambda: bus.read_all(bus.topics.receipts, Receipt), lambda found: len(found) >= 40)
    assert Counter(r.outcome for r in receipts) == {Outcome.INDEXED: 40}
    assert len({(r.partition, r.offset) for r in receipts}) == 40
    assert all(r.model == DEFAULT_MODEL_DIR.name and r.occurred_at <= r.settled_at for r in receipts)
    embeddings = bus.read_all(bus.topics.embeddings, ProfileEmbedding)
    assert {e.profile_id for e in embeddings} == {f"p{n}" for n in range(40)}
    assert {len(e.vector) for e in embeddings} == {384 * 4}


def test_deletes_and_tombstones_take_profiles_out(settings, worker, bus, held):
    worker(settings, "index")
    bus.send(*(upsert(f"p{n}", f"Engineer {n}") for n in range(3)))
    wait_until(held, lambda seen: seen == 3)
    topic = bus.topics.changes.name
    bus.send(ProfileChange("p0", 2, now_ms(), Operation.DELETE), Outgoing(topic, b"p1", None))
    wait_until(held, lambda seen: seen == 1)


def test_poisoned_records_become_dead_letters_and_cost_no_other_record(settings, worker, bus, held):
    worker(settings, "index")
    topics, codec = bus.topics, bus.codec
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
    bus.send(*good[:10], *mixed, *good[10:])

    wait_until(held, lambda count: count == 20)
    letters = wait_until(
        lambda: bus.read_all(topics.dead_letters, DeadLetter), lambda found: len(found) >= len(poisoned)
    )
    assert {letter.key: letter.value for letter in letters} == poisoned
    assert all(letter.message and letter.error_class and letter.topic == topics.changes.name for letter in letters)
    stages = {letter.key: letter.stage for letter in letters}
    assert stages[b"garbage"] is Stage.DECODE
    assert stages[b"nul"] is Stage.VALIDATE
    receipts = bus.read_all(topics.receipts, Receipt)
    assert Counter(r.outcome for r in receipts) == {Outcome.INDEXED: 20, Outcome.DEAD_LETTERED: len(poisoned)}


def test_kill_9_in_the_middle_loses_nothing(settings, worker, bus, held):
    first = worker(settings, "index")
    bus.send(*(upsert(f"p{n}", f"Engineer number {n}", summary="Builds bridges. " * 20) for n in range(600)))
    wait_until(held, lambda seen: seen > 0)
    first.kill()
    assert held() < 600
    worker(settings, "index")
    wait_until(held, lambda seen: seen == 600)


def test_sigterm_finishes_the_batch_in_hand_and_the_next_one_takes_up_behind_it(settings, worker, bus, held):
    first = worker(settings, "index")
    bus.send(*(upsert(f"p{n}", f"Engineer number {n}", summary="Builds bridges. " * 20) for n in range(400)))
    wait_until(held, lambda seen: seen > 0)
    assert first.terminate() == 0, first.log.read_text()
    worker(settings, "index")
    wait_until(held, lambda seen: seen == 400)
    receipts = wait_until(lambda: bus.read_all(bus.topics.receipts, Receipt), lambda found: len(found) >= 400)
    assert len(receipts) == 400, "a stop in good order repeats nothing"
