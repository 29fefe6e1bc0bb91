import io
import json
import subprocess

import fastavro
import pytest

from kith import wiring
from kith.services.process import pause
from kith.settings import DEFAULT_MODEL_DIR
from schemas.records import Operation, Outcome, Profile, ProfileChange
from streams.clock import now_ms
from streams.publisher import Outgoing
from tests.integration.accounting import audited, counter, wait_settled
from tests.integration.bus import upsert
from tests.kith_process import command, one_line_error, run
from tests.waiting import wait_until
from workers.model_collections import collection_name

PROFILES = 300


def ran(settings, *options, code=0):
    done = run(settings, "backfill", "run", *options, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def runs(settings):
    return {one["run_id"]: one for one in json.loads(run(settings, "backfill", "status", "--json").stdout)}


@pytest.fixture
def filled(settings, worker, bus):
    """An index of the newest of two versions of each profile; one was deleted by a record without a value."""
    one = worker(settings, "index")
    bus.send(*(upsert(f"p{n}", f"Gardener {n}", 1) for n in range(PROFILES)))
    bus.send(Outgoing(bus.topics.changes.name, b"p0", None))
    bus.send(*(upsert(f"p{n}", f"Baker {n}", 2) for n in range(PROFILES)))
    wait_settled(settings)
    return one


def test_the_whole_stream_replayed_changes_nothing_and_embeds_nothing(settings, filled):
    embedded = counter(filled, "kith_embedded_total")
    assert run(settings, "backfill", "--from", "earliest", "--dry-run").returncode == 0
    assert audited(settings).outcomes.get(Outcome.STALE, 0) == 0, "a dry run sends nothing"
    report = ran(settings, "--from", "earliest", "--run", "all")
    assert (report["sent"], report["skipped"], report["phase"]) == (2 * PROFILES, 1, "DONE")
    found = audited(settings)
    assert found.exact, found
    assert found.outcomes[Outcome.STALE] == PROFILES
    assert found.outcomes[Outcome.UNCHANGED] == PROFILES
    assert found.index.right == PROFILES
    assert counter(filled, "kith_embedded_total") == embedded
    assert runs(settings)["all"]["phase"] == "DONE"
    assert "is done" in one_line_error(run(settings, "backfill", "--run", "all"))


def test_the_table_replayed_sets_a_damaged_index_right(settings, filled, tmp_path):
    index = wiring.index(settings)
    index.delete(collection_name(DEFAULT_MODEL_DIR.name, settings.collection_prefix), ["p1", "p2", "p3"], 10.0)
    index.close()
    ids = tmp_path / "ids.txt"
    ids.write_text("p1\np2\n")
    some = ran(settings, "--from", "table", "--ids", str(ids))
    assert some["sent"] >= 2
    wait_until(lambda: audited(settings).index.right, lambda right: right == PROFILES - 1)
    ran(settings, "--from", "table")
    wait_until(lambda: audited(settings).exact, bool)


def test_a_file_with_broken_lines_costs_only_these(settings, filled, tmp_path):
    file = tmp_path / "people.jsonl"
    good = [json.dumps({"profile_id": f"f{n}", "version": 5, "name": "N", "headline": f"Diver {n}"}) for n in range(50)]
    file.write_text("\n".join([*good[:20], "{broken", '{"version": 1}', *good[20:]]))
    report = ran(settings, "--from", str(file), code=1)
    assert (report["sent"], report["rejected"]) == (50, 2)
    wait_until(lambda: audited(settings).index.right, lambda right: right == PROFILES + 50)


def test_only_profiles_that_say_what_was_asked_for_are_replayed(settings, worker, bus, tmp_path):
    worker(settings, "index")
    bus.send(*(upsert(f"de{n}", f"Gardener {n}", country="DE") for n in range(30)))
    bus.send(*(upsert(f"fr{n}", f"Gardener {n}", country="FR") for n in range(40)))
    moved = Profile("Moved", headline="Gardener", country="DE")
    bus.send(patch("fr0", 2, moved, "country"), patch("fr1", 2, moved, "headline"), delete("de0", 2))
    wait_settled(settings)
    # The table knows 29 that stayed in Germany, and one that moved there.
    table = ran(settings, "--from", "table", "--where", "country=de,at")
    assert table["where"] == ["country=at,de"]
    asked = {one.profile_id for one in bus.read_all(bus.topics.backfill, ProfileChange)}
    assert asked == {*(f"de{n}" for n in range(1, 30)), "fr0"}
    wait_settled(settings)
    # Of the stream: 30 whole profiles, and the patch of the one that the table has in Germany; not the deletion.
    stream = ran(settings, "--from", "earliest", "--where", "country=DE", "--where", "skills!=Kafka")
    assert (stream["sent"], stream["skipped"]) == (31, 42)
    file = tmp_path / "people.jsonl"
    people = [
        {"profile_id": f"new{n}", "name": "N", "headline": f"Diver {n}", "country": "DE" if n < 5 else "PL"}
        for n in range(12)
    ]
    file.write_text("\n".join(map(json.dumps, [*people, {"profile_id": "fr2", "operation": "DELETE"}])))
    from_file = ran(settings, "--from", str(file), "--where", "country!=DE")
    assert (from_file["sent"], from_file["skipped"]) == (8, 5)
    wait_settled(settings)
    found = audited(settings)
    assert found.exact, found
    assert found.index.right == 69 - 1 + 7


def patch(profile_id, version, profile, *names):
    return ProfileChange(profile_id, version, now_ms(), Operation.PATCH, "test", profile, list(names))


def delete(profile_id, version):
    return ProfileChange(profile_id, version, now_ms(), Operation.DELETE, "test")


def test_a_run_keeps_its_conditions(settings, filled):
    asked = ("backfill", "run", "--from", "earliest", "--run", "some", "--rate", "20", "--where", "country!=DE")
    process = subprocess.Popen(command(settings, *asked), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: runs(settings).get("some"), lambda one: one is not None)
    process.kill()
    process.wait(10)
    for other in (("--where", "country=DE"), ("--where", "country!=DE", "--where", "skills=x")):
        refused = run(settings, "backfill", "run", "--run", "some", *other)
        assert refused.returncode == 2
        assert "replays only country!=de" in one_line_error(refused)
    assert "where country!=de" in run(settings, "backfill", "status").stdout
    assert ran(settings, "--run", "some", "--where", "country!=de")["where"] == ["country!=de"]


def test_a_file_that_breaks_off_changes_nothing(settings, filled, tmp_path):
    schema = {"type": "record", "name": "R", "fields": [{"name": n, "type": "string"} for n in ("profile_id", "name")]}
    whole, cut = io.BytesIO(), tmp_path / "cut.avro"
    rows = [{"profile_id": f"f{n}", "name": f"Somebody {n}"} for n in range(2000)]
    fastavro.writer(whole, fastavro.parse_schema(schema), rows, sync_interval=1000)
    cut.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    refused = run(settings, "backfill", "run", "--from", str(cut), "--run", "cut")
    assert refused.returncode == 2
    assert "cannot be read after record" in one_line_error(refused)
    assert runs(settings) == {}
    found = audited(settings)
    assert found.exact, found
    assert found.index.right == PROFILES


def test_a_file_that_went_away_since_the_run_began_is_gone_on_with_once_it_is_back(settings, filled, tmp_path):
    file = tmp_path / "people.jsonl"
    lines = [
        json.dumps({"profile_id": f"f{n}", "version": 5, "name": "N", "headline": f"Diver {n}"}) for n in range(80)
    ]
    file.write_text("\n".join(lines))
    asked = ("backfill", "run", "--from", str(file), "--run", "left", "--rate", "20")
    process = subprocess.Popen(command(settings, *asked), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: runs(settings).get("left"), lambda one: one is not None)
    process.kill()
    process.wait(10)
    file.rename(tmp_path / "away")
    gone = run(settings, "backfill", "run", "--run", "left")
    assert gone.returncode == 2
    assert "There is no file" in one_line_error(gone)
    (tmp_path / "away").rename(file)
    assert ran(settings, "--run", "left")["sent"] == len(lines)
    wait_until(lambda: audited(settings).index.right, lambda right: right == PROFILES + len(lines))


def test_a_run_that_is_killed_again_and_again_ends_complete(settings, filled):
    whole = ("--from", "earliest")
    for number in range(5):
        process = subprocess.Popen(
            command(settings, "backfill", "--run", "often", "--rate", "50", *(whole if number == 0 else ())),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: runs(settings).get("often"), lambda one: one is not None)
        pause(1.0 + 0.4 * number)
        process.kill()
        process.wait(10)
    left = runs(settings)["often"]
    assert left["phase"] == "RUNNING"
    assert 0 < sum(part["end"] - part["next"] for part in left["parts"]) < 2 * PROFILES
    report = ran(settings, "--run", "often")
    assert report["phase"] == "DONE"
    assert all(part["next"] == part["end"] for part in report["parts"])
    wait_settled(settings)
    found = audited(settings)
    assert found.exact, found
    assert min(found.outcomes[Outcome.STALE], found.outcomes[Outcome.UNCHANGED]) >= PROFILES
    assert found.index.right == PROFILES


def test_a_run_is_stopped_from_elsewhere_and_goes_on(settings, filled):
    process = subprocess.Popen(
        command(settings, "backfill", "--from", "earliest", "--run", "slow", "--rate", "50"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: runs(settings).get("slow"), lambda one: one is not None)
    pause(2)
    assert run(settings, "backfill", "stop", "slow").returncode == 0
    assert process.wait(30) == 0
    left = runs(settings)["slow"]
    assert left["phase"] == "STOPPED"
    assert left["sent"] < 2 * PROFILES
    assert ran(settings, "--run", "slow")["sent"] == 2 * PROFILES
    assert audited(settings).exact


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--from", "2999-01-01"), "future"),
        (("--from", "7:0"), "no partition 7"),
        (("--from", "0:x"), "no offsets"),
        (("--from", "nowhere.jsonl"), "nowhere.jsonl"),
        ((), "Nothing says what to replay"),
        (("--from", "earliest", "--where", "town=Ulm"), "seniority, visibility, skills, languages"),
        (("--from", "earliest", "--where", "country"), "FIELD=VALUE"),
        (("--from", "earliest", "--ids", "nowhere.txt"), "nowhere.txt"),
    ],
)
def test_what_cannot_be_replayed_is_one_line(settings, options, named):
    done = run(settings, "backfill", "run", *options)
    assert done.returncode == 2
    assert named in one_line_error(done)
    assert runs(settings) == {}
