"""A fill that is killed again and again, while changes go on, ends complete."""

import subprocess

import pytest

from kith import wiring
from kith.errors import Unavailable
from kith.wiring_rollout import of_release
from streams.topic_reader import topic_ends
from tests import noisy_release
from tests.integration.accounting import audited, wait_settled
from tests.integration.bus import Bus, upsert
from tests.kith_process import command, run
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(600)
KILLS, PEOPLE = 10, 400


def states_of(settings):
    """Entries of the candidate's table, repeated ones included."""
    try:
        return sum(topic_ends(settings.kafka_client(), wiring.topics(settings).state.name).values())
    except Unavailable:
        return 0


def test_a_fill_that_is_killed_again_and_again_ends_complete(installation, tmp_path):
    noisy_release.write(tmp_path / "models", "other", 0)
    settings = installation.settings.model_copy(update={"models_dir": tmp_path / "models"})
    bus, own = Bus(settings), of_release(settings, "other")
    installation.start_indexer()
    done = run(settings, "produce", "--synthetic", str(PEOPLE), "--seed", "5")
    assert done.returncode == 0, done.stderr
    wait_settled(settings)
    start = ("rollout", "start", "other", "--skip-gate")
    for number in range(KILLS):
        asked = command(settings, *start, "--rate", "60")
        process = subprocess.Popen(asked, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wanted = (number + 1) * PEOPLE // (KILLS + 1) - installation.chance.randrange(20)
        wait_until(lambda: states_of(own), lambda count, wanted=wanted: count >= wanted, 120)
        process.kill()
        process.wait(10)
        # The fill must not set these back, nor may they be lost.
        bus.send(upsert(f"new-{number}", "Glazier", 1), upsert("changing", f"Tailor {number}", number + 1))
    last = run(settings, *start, timeout_s=240)
    assert last.returncode == 0, last.stderr
    assert " 0 before" not in last.stdout
    installation.settings = own
    installation.start_indexer()
    for one in (settings, own):
        wait_settled(one)
        found = audited(one)
        assert found.exact, found
        assert found.index.right == PEOPLE + KILLS + 1
    bus.close()
