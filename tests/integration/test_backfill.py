import json
import subprocess

import pytest

from kith import wiring
from kith.services.process import pause
from kith.settings import DEFAULT_MODEL_DIR
from schemas.records import Outcome
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
        (("--from", "earliest", "--ids", "nowhere.txt"), "nowhere.txt"),
    ],
)
def test_what_cannot_be_replayed_is_one_line(settings, options, named):
    done = run(settings, "backfill", "run", *options)
    assert done.returncode == 2
    assert named in one_line_error(done)
    assert runs(settings) == {}
