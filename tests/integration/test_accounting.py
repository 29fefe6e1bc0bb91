import json
import shutil

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from kith import wiring
from kith.settings import DEFAULT_MODEL_DIR
from schemas.operations import Erasure
from schemas.records import Operation, Outcome, Profile, ProfileChange
from streams.clock import now_ms
from streams.publisher import Outgoing
from streams.topic_reader import read_topic
from tests.integration.accounting import audited, counter, wait_settled
from tests.integration.bus import upsert
from tests.kith_process import one_line_error, run
from tests.waiting import wait_until
from workers.contract import ProfileFields, Row
from workers.model_collections import collection_name

MODEL = DEFAULT_MODEL_DIR.name


def patch(profile_id, version, **fields):
    carried = Profile(**({"name": "unchanged"} | fields))
    return ProfileChange(profile_id, version, now_ms(), Operation.PATCH, "test", carried, list(fields))


def delete(profile_id, version):
    return ProfileChange(profile_id, version, now_ms(), Operation.DELETE, "test")


def send(settings, bus, *changes):
    """One after the other settled, so that each is judged in a batch of its own."""
    for change in changes:
        bus.send(change)
        wait_settled(settings)


def versions(settings, *profile_ids):
    index = wiring.index(settings)
    found = index.versions(collection_name(MODEL, settings.collection_prefix), profile_ids, 10.0)
    index.close()
    return found


def test_what_is_known_survives_the_loss_of_the_state_folder(settings, worker, bus):
    first = worker(settings, "index")
    send(settings, bus, upsert("a", "Roofer", 5), upsert("b", "Baker", 5), delete("b", 6), upsert("c", "Diver", 1))
    first.kill()
    shutil.rmtree(settings.state_dir)
    worker(settings, "index")
    send(
        settings,
        bus,
        upsert("a", "An older headline", 4),
        upsert("a", "Roofer", 5),
        upsert("b", "Late", 5),
        patch("b", 7, headline="nothing to patch"),
        upsert("b", "Back", 8),
        patch("c", 2, headline="Cave diver"),
        patch("c", 3, location="Ulm"),
    )
    found = audited(settings)
    assert found.exact, found
    assert found.outcomes == {
        Outcome.INDEXED: 6,
        Outcome.DELETED: 1,
        Outcome.STALE: 2,
        Outcome.UNCHANGED: 1,
        Outcome.DEAD_LETTERED: 1,
    }
    assert versions(settings, "a", "b", "c") == {"a": 5, "b": 8, "c": 3}


def test_a_change_of_fields_alone_embeds_nothing_and_is_seen_by_filters(settings, worker, bus):
    one = worker(settings, "index")
    send(settings, bus, upsert("a", "Roofer", 1))
    embedded = counter(one, "kith_embedded_total")
    send(settings, bus, patch("a", 3, name="Another name"))
    assert counter(one, "kith_embedded_total") == embedded
    found = audited(settings)
    assert found.exact, found
    assert versions(settings, "a") == {"a": 3}


def test_a_second_replay_changes_nothing_and_embeds_nothing(settings, worker, bus):
    one = worker(settings, "index")
    stream = [upsert(f"p{n % 40}", f"Engineer {n}", n // 40 + 1) for n in range(160)]
    stream += [delete("p7", 9), Outgoing(bus.topics.changes.name, b"p8", None)]
    bus.send(*stream)
    wait_settled(settings)
    embedded, first = counter(one, "kith_embedded_total"), audited(settings)
    held = versions(settings, *(f"p{n}" for n in range(40)))

    bus.send(*stream)
    wait_settled(settings)
    second = audited(settings)
    assert counter(one, "kith_embedded_total") == embedded
    assert versions(settings, *(f"p{n}" for n in range(40))) == held
    assert second.exact, second
    assert second.outcomes.get(Outcome.INDEXED) == first.outcomes.get(Outcome.INDEXED)
    assert sum(second.outcomes.values()) == 2 * sum(first.outcomes.values())


def test_offsets_set_back_bring_no_second_outcome(settings, worker, bus):
    one = worker(settings, "index")
    bus.send(*(upsert(f"p{n}", f"Engineer {n}") for n in range(30)))
    wait_settled(settings)
    assert one.terminate() == 0
    admin = AdminClient(settings.kafka_client())
    places = [TopicPartition(bus.topics.changes.name, n, 0) for n in range(settings.partitions)]
    group = ConsumerGroupTopicPartitions(wiring.indexer_group(settings), places)
    wait_until(lambda: _set_back(admin, group), bool)
    again = worker(settings, "index")
    wait_settled(settings)
    found = audited(settings)
    assert (found.exact, found.repeated, found.outcomes) == (True, 0, {Outcome.INDEXED: 30})
    assert counter(again, "kith_embedded_total") == 0


def _set_back(admin, group):
    """A group whose last member has just left refuses it for a moment."""
    try:
        return admin.alter_consumer_group_offsets([group])[group.group_id].result(10)
    except KafkaException:
        return None


def test_an_audit_names_what_is_wrong_and_repairs_it(settings, worker, bus):
    worker(settings, "index")
    bus.send(*(upsert(f"p{n}", f"Engineer {n}", 2) for n in range(20)))
    wait_settled(settings)
    index = wiring.index(settings)
    name = collection_name(MODEL, settings.collection_prefix)
    vector = index.vectors(name, ["p3"], 10.0)["p3"].vector
    index.delete(name, ["p1"], 10.0)
    rows = [Row(i, v, ProfileFields("x"), "x", vector) for i, v in (("p2", 1), ("stranger", 1), ("p3", 9))]
    index.upsert(name, rows, 10.0)
    index.close()

    said = run(settings, "audit", "--json", "--repair")
    assert said.returncode == 1, said.stderr
    wrong = {w["profile_id"]: w["kind"] for w in json.loads(said.stdout)["index"]["wrong"]}
    assert wrong == {"p1": "missing", "p2": "older", "stranger": "extra", "p3": "newer"}
    wait_settled(settings)
    said = run(settings, "audit")
    assert said.returncode == 0, said.stdout + said.stderr
    assert "nothing is wrong" in said.stdout
    assert versions(settings, "p1", "p2", "p3", "stranger") == {"p1": 2, "p2": 2, "p3": 2}


def test_a_lost_collection_is_rebuilt_without_embedding(settings, worker, bus):
    one = worker(settings, "index")
    bus.send(*(upsert(f"p{n}", f"Engineer {n}") for n in range(120)), *(delete(f"p{n}", 2) for n in range(20)))
    bus.send(*(patch(f"p{n}", 3, name="New") for n in range(50, 60)))
    wait_settled(settings)
    index = wiring.index(settings)
    name = collection_name(MODEL, settings.collection_prefix)
    before = index.vectors(name, [f"p{n}" for n in range(20, 120)], 10.0)
    embedded = counter(one, "kith_embedded_total")
    index.delete(name, [f"p{n}" for n in range(120)], 10.0)
    assert index.count(name, 10.0) == 0

    said = run(settings, "rebuild", "--json")
    assert said.returncode == 0, said.stdout + said.stderr
    report = json.loads(said.stdout)
    assert (report["profiles"], report["written"], report["without_vector"]) == (100, 100, 0)
    assert counter(one, "kith_embedded_total") == embedded
    after = index.vectors(name, list(before), 10.0)
    index.close()
    assert {k: one.vector.tolist() for k, one in after.items()} == {k: one.vector.tolist() for k, one in before.items()}
    assert audited(settings).exact


def test_a_person_is_erased_everywhere_and_late_events_do_not_bring_her_back(settings, worker, bus):
    worker(settings, "index")
    garbage = Outgoing(bus.topics.changes.name, b"ada", b"about Ada, unreadable")
    bus.send(upsert("ada", "Mathematician", 3), upsert("bob", "Builder", 1), garbage)
    wait_settled(settings)
    said = run(settings, "erase", "ada", "--json")
    assert said.returncode == 0, said.stderr
    proof = json.loads(said.stdout)
    assert proof["dead_letters"] == 1
    assert "ada" not in json.dumps(proof)
    assert [one.erasure_id for one in bus.read_all(bus.topics.erasures, Erasure)] == [proof["erasure_id"]]
    assert versions(settings, "ada", "bob") == {"bob": 1}
    assert newest(settings, bus.topics.embeddings)[f"ada@{MODEL}".encode()] is None
    assert b"Mathematician" not in newest(settings, bus.topics.state)[b"ada"]
    assert set(newest(settings, bus.topics.dead_letters).values()) == {None}
    send(settings, bus, upsert("ada", "Mathematician", 3))
    assert versions(settings, "ada") == {}
    assert audited(settings).exact


def newest(settings, topic):
    return {record.key: record.value for record in read_topic(settings.kafka_client(), topic.name)}


def test_erasing_without_an_indexer_says_what_is_waited_for(settings):
    said = run(settings, "erase", "ada", "--timeout", "1")
    assert said.returncode == 3
    assert "kith index" in one_line_error(said)


def test_dead_letters_are_listed_shown_replayed_after_a_fix_and_dropped(settings, worker, bus):
    worker(settings, "index")
    topic = bus.topics.changes
    early = Outgoing(topic.name, b"ada", bus.codec.encode(topic.subject, patch("ada", 2, headline="Dean")))
    bus.send(early, Outgoing(topic.name, b"bob", b"garbage"))
    wait_settled(settings)
    said = run(settings, "dead-letters", "list", "--json")
    letters = {letter["error_class"]: letter for letter in json.loads(said.stdout)}
    assert set(letters) == {"InputError", "DecodeError"}
    shown = json.loads(run(settings, "dead-letters", "show", letters["DecodeError"]["place"]).stdout)
    assert shown["value"] == "Z2FyYmFnZQ=="
    bus.send(upsert("ada", "Teacher", 1))
    wait_settled(settings)
    assert (
        run(settings, "dead-letters", "replay", "--dry-run", "--class", "InputError").stdout == "1 would be replayed\n"
    )
    said = run(settings, "dead-letters", "replay", "--class", "InputError")
    assert said.returncode == 0, said.stderr
    wait_settled(settings)
    assert versions(settings, "ada") == {"ada": 2}
    assert run(settings, "dead-letters", "drop").returncode == 2
    assert "1 dropped" in run(settings, "dead-letters", "drop", "--key", "bob").stdout
    assert run(settings, "dead-letters", "list").returncode == 1
    found = audited(settings)
    assert found.exact, found
    assert found.outcomes[Outcome.DEAD_LETTERED] == 2


def test_a_partition_that_moves_under_load_is_neither_lost_nor_set_back(settings, worker, bus):
    many = [
        upsert(f"p{n}", f"Engineer number {n}", v, summary="Builds bridges. " * 5) for v in (1, 2) for n in range(300)
    ]
    worker(settings, "index")
    bus.send(*many)
    second = worker(settings, "index")
    third = worker(settings, "index")
    second.kill()
    assert third.terminate() == 0
    wait_settled(settings)
    found = audited(settings)
    assert found.exact, found
    assert found.index.right == 300
    assert set(versions(settings, *(f"p{n}" for n in range(300))).values()) == {2}
