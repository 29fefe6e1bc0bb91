"""`kith status` of an installation that runs elsewhere, while it works and while parts of it are away."""

import itertools
import json
import socket
import threading

import pytest

from kith import wiring
from kith.commands.status_display import show
from kith.services.ports import LOOPBACK
from kith.wiring_status import installation_status
from schemas.records import Outcome, Receipt
from schemas.rollouts import Rollout, RolloutPhase
from streams.clock import now_ms
from streams.publisher import Outgoing
from tests.integration.bus import upsert
from tests.kith_process import run
from tests.waiting import wait_until


def test_an_installation_says_what_it_does(settings, worker, bus, capsys):
    worker(settings, "index")
    worker(settings, "serve")
    bus.send(*(upsert(f"p{n}", f"Gardener of kind {n}") for n in range(40)), upsert("p1", "Gardener of kind 1"))
    # Its looks are side by side: the index may be counted before the last receipts are read.
    found = wait_until(
        lambda: installation_status(settings),
        lambda one: sum((one.outcomes or {}).values()) == 41 and one.live.profiles == 40,
        120,
    )
    assert found.not_known == {}
    assert (found.live.model, found.live_is_known, found.live.profiles) == ("student-v1", True, 40)
    assert found.live.collection == f"{settings.collection_prefix}profiles__student_v1"
    assert found.outcomes[Outcome.INDEXED] == 40
    assert found.live.indexers.members == found.searching.members == 1
    assert found.freshness_p95_ms > 0
    assert found.candidate is None
    # The indexer commits half a second after it has settled.
    level = wait_until(lambda: installation_status(settings), lambda one: not sum(one.live.indexers.waiting.values()))
    assert set(level.live.indexers.waiting) == {topic.name for topic in bus.topics.inputs}
    show(level)
    shown = capsys.readouterr().out
    assert "indexed 40" in shown
    assert "not known" not in shown

    said = json.loads(run(settings, "status", "--json").stdout)
    assert {part["state"] for part in said["parts"]} == {"absent"}
    assert said["installation"]["live"]["profiles"] == 40
    assert said["installation"]["outcomes"]["indexed"] == 40
    assert said["kafka_bootstrap"] == settings.kafka_bootstrap


def test_records_that_pass_are_counted_by_the_second(settings, worker, bus):
    bus.send(*(upsert(f"p{n}", f"Gardener of kind {n}") for n in range(60)))
    waiting = installation_status(settings)
    assert waiting.live.indexers.waiting[bus.topics.changes.name] == 60
    assert (waiting.live.indexers.records_per_s, waiting.live.indexers.members) == (0, 0)
    worker(settings, "index")
    seen = threading.Event()

    def go_on_sending():
        for first in itertools.count(0, 50):
            if seen.is_set():
                return
            bus.send(*(upsert(f"q{n}", f"Baker of kind {n}") for n in range(first, first + 50)))

    sending = threading.Thread(target=go_on_sending)
    sending.start()
    try:
        wait_until(lambda: installation_status(settings).live.indexers.records_per_s, lambda rate: rate > 0)
    finally:
        seen.set()
        sending.join()


def test_the_model_beside_the_live_one_is_told_of(settings, bus, capsys):
    bus.send(upsert("p1", "Gardener"))
    log = wiring.rollout_log(settings, bus.codec)
    log.save(Rollout("student-v0", "student-v1", RolloutPhase.FILLED, [], now_ms(), now_ms()))
    found = installation_status(settings)
    assert (found.live.model, found.candidate.model, found.phase) == ("student-v1", "student-v0", "FILLED")
    assert sum(found.candidate.indexers.waiting.values()) == 1
    assert found.candidate.profiles is None
    assert set(found.not_known) == {"profiles of student-v0"}
    show(found)
    assert "filled" in capsys.readouterr().out


def _receipt(bus):
    topic, now = bus.topics.receipts, now_ms()
    receipt = Receipt(bus.topics.changes.name, 0, 0, "p1", 1, Outcome.INDEXED, "student-v1", now, now)
    return Outgoing(topic.name, b"p1", bus.codec.encode(topic.subject, receipt))


@pytest.mark.parametrize(
    ("away", "not_known", "known"),
    [
        ({"milvus_uri": "http://127.0.0.1:1"}, {"index"}, {"indexers", "outcomes"}),
        ({"schema_registry_url": "http://127.0.0.1:1"}, {"outcomes", "freshness"}, {"indexers", "profiles"}),
        ({"kafka_bootstrap": "127.0.0.1:1"}, {"kafka"}, {"profiles"}),
        ({"kafka_bootstrap": ""}, {"kafka"}, {"profiles"}),
    ],
    ids=["milvus", "registry", "kafka", "no address"],
)
def test_a_part_that_is_away_costs_its_own_figures_only(settings, bus, away, not_known, known):
    bus.send(_receipt(bus))
    found = installation_status(settings.model_copy(update=away))
    assert set(found.not_known) == not_known
    assert found.live.model == "student-v1"
    held = {
        "indexers": found.live.indexers,
        "outcomes": found.outcomes,
        "profiles": found.live.profiles,
    }
    assert {name for name, value in held.items() if value is not None} == known


@pytest.fixture
def silent():
    """An address that takes every connection and never says a word."""
    with socket.create_server((LOOPBACK, 0), backlog=128) as listener:
        yield f"{LOOPBACK}:{listener.getsockname()[1]}"


def test_parts_that_never_answer_do_not_keep_the_command(silent, tmp_path):
    home = {
        "KITH_STATE_DIR": str(tmp_path),
        "KITH_KAFKA_BOOTSTRAP": silent,
        "KITH_SCHEMA_REGISTRY_URL": f"http://{silent}",
        "KITH_MILVUS_URI": f"http://{silent}",
    }
    done = run(home, "status", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["installation"]["not_known"]) == {"kafka", "index"}


def test_without_any_address_the_local_parts_are_shown_as_before(tmp_path):
    done = run({"KITH_STATE_DIR": str(tmp_path)}, "status", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.count("absent") == 5
    assert "kafka: not known: its address is not set" in done.stdout
