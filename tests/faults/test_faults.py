"""Every fault, many times, at random moments, under load: nothing lost, nothing stale, every record accounted for."""

import json
import subprocess

import pytest

from kith.errors import PartFailed
from kith.services.process import pause
from tests.faults.conftest import VERDICTS
from tests.faults.installation import Installation, judge
from tests.faults.load import Load
from tests.kith_process import command, run
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(600)


def check(installation, fault, times, break_it, **load):
    return settle(*judge(installation, fault, times, break_it, **load))


def settle(verdict, found):
    VERDICTS.append(verdict)
    assert found.exact, found
    assert (verdict.lost, verdict.stale, verdict.set_back) == (0, 0, 0)
    assert sum(found.outcomes.values()) >= verdict.records
    return found


def test_kill_9_of_the_indexer(installation):
    def kill(it: Installation) -> None:
        it.kill_indexer(it.indexers[0])
        it.start_indexer(wait=False)

    check(installation, "kill -9 of the indexer", 8, kill)


def test_kill_9_of_two_indexers_in_turn(installation):
    installation.start_indexer()

    def kill(it: Installation) -> None:
        it.kill_indexer(it.indexers[0])
        it.start_indexer(wait=False)

    check(installation, "kill -9 of two indexers in turn", 6, kill)


def test_kill_9_of_the_broker(installation):
    def kill(it: Installation) -> None:
        it.moment(6)
        it.kill_part("kafka")
        restart(it)

    check(installation, "kill -9 of the broker", 6, kill)


def test_the_broker_is_stopped_for_a_minute(installation):
    def stop(it: Installation) -> None:
        it.moment(15)
        it.stack.stop(["kafka"])
        pause(60)
        restart(it)

    check(installation, "broker stopped for 60 s", 2, stop)


def test_kill_9_of_milvus(installation):
    def kill(it: Installation) -> None:
        it.kill_part("milvus")
        it.moment()
        restart(it)

    check(installation, "kill -9 of Milvus", 6, kill)


def test_milvus_refuses_writes(installation):
    def refuse(it: Installation) -> None:
        child = it.stack.processes.find("milvus")
        with it.no_room(child.pid):
            wait_until(lambda: not it.indexers[0].ready(), bool, 60)
            it.moment()
        restart(it)

    check(installation, "Milvus refuses writes", 4, refuse)


def test_no_room_in_the_state_folder(installation):
    def fill(it: Installation) -> None:
        with it.no_room(it.indexers[0].process.pid):
            wait_until(lambda: not it.indexers[0].ready(), bool, 60)
            it.moment()

    check(installation, "no room in the state folder", 4, fill)


def test_rebalances_under_load(installation):
    def move(it: Installation) -> None:
        second = it.start_indexer(wait=False)
        it.moment(8)
        it.indexers.remove(second)
        second.kill() if it.chance.random() < 0.5 else second.terminate()

    check(installation, "rebalance under load", 6, move)


def test_kill_9_of_a_backfill_and_the_indexer(installation):
    settings, runs = installation.settings, []
    often = ("backfill", "--run", "often", "--from", "earliest")
    first = Load(settings, 5, per_s=400)
    first.start()
    wait_until(lambda: first.sent, lambda sent: sent > 2000, 60)
    first.finish()

    def kill(it: Installation) -> None:
        asked = command(settings, *often, "--rate", "30")
        process = subprocess.Popen(asked, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        runs.append(process)
        it.moment(4)
        process.kill()
        process.wait(10)
        it.kill_indexer(it.indexers[0])
        it.start_indexer(wait=False)

    times = 10
    verdict, found = judge(installation, "kill -9 of backfill and indexer", times, kill, ends=lambda: end(settings))
    settle(verdict, found)
    assert len(runs) == times


def end(settings) -> None:
    """What is left of the backfill is replayed: every record of the stream as it stood when it began."""
    done = run(settings, "backfill", "--run", "often", "--from", "earliest", "--json", timeout_s=240)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert all(part["next"] == part["end"] for part in report["parts"])
    assert report["sent"] + report["skipped"] > 2000


def test_a_poisoned_record_in_every_batch(installation):
    found = check(installation, "a poisoned record in every batch", 3, lambda it: it.moment(8), garbage_every=16)
    assert found.outcomes["dead_lettered"] > 20


def test_one_percent_garbage_of_eight_kinds(installation):
    found = check(installation, "1% garbage of eight kinds", 3, lambda it: it.moment(15), garbage_every=100, per_s=300)
    assert found.outcomes["dead_lettered"] > 8


def restart(it: Installation) -> None:
    """What is gone is started again; a port may still be held for a moment."""

    def start() -> bool:
        try:
            it.stack.start()
        except PartFailed:
            return False
        return True

    wait_until(start, bool, 120)
