import json
import os
import pty
import subprocess
import threading

import numpy as np
import pytest

from kith import wiring
from kith.deadline import Deadline
from kith.services.process import pause
from kith.settings import DEFAULT_MODEL_DIR
from schemas.search_records import ReplyStatus, SearchMode, SearchRequest
from tests.integration.accounting import audited, counter, wait_settled
from tests.integration.bus import upsert
from tests.kith_process import command, one_line_error, run
from tests.waiting import wait_until
from workers.contract import ProfileFields, Row
from workers.model_collections import LIVE_ALIAS, alias_target, collection_name, filling_alias

MODEL = DEFAULT_MODEL_DIR.name
PROFILES = 400


class Held:
    """The collection of an installation, its aliases, and how it is lost."""

    def __init__(self, settings):
        self.index = wiring.index(settings)
        self.name = collection_name(MODEL, settings.collection_prefix)
        self.live_alias = settings.collection_prefix + LIVE_ALIAS
        self.mark = filling_alias(self.name, settings.collection_prefix)

    def lose(self):
        self.index.connection.call("drop", 10.0, lambda c, left: c.drop_alias(self.live_alias, timeout=left))
        self.index.connection.call("drop", 10.0, lambda c, left: c.drop_collection(self.name, timeout=left))

    def live(self):
        return alias_target(self.index.connection, self.live_alias, Deadline.after(10)) == self.name

    def marked(self):
        return alias_target(self.index.connection, self.mark, Deadline.after(10)) == self.name

    def count(self):
        return self.index.count(self.name, 10.0)

    def vectors(self, ids):
        found = self.index.vectors(self.name, ids, 10.0)
        return {profile_id: one.vector.tolist() for profile_id, one in found.items()}


@pytest.fixture
def lost(settings):
    one = Held(settings)
    yield one
    one.index.close()


@pytest.fixture
def filled(settings, worker, bus, lost):
    one = worker(settings, "index")
    bus.send(*(upsert(f"p{n}", f"Gardener number {n}") for n in range(PROFILES)))
    wait_settled(settings)
    return one


def rebuilt(settings, *options, code=0):
    done = run(settings, "rebuild", *options, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def started(settings, *options):
    return subprocess.Popen(
        command(settings, "rebuild", *options), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


class Asking:
    """Asks one question over the bus, again and again."""

    def __init__(self, settings):
        self._client = wiring.search_client(settings)
        self._stop = threading.Event()
        self.replies = []
        self._thread = threading.Thread(target=self._ask)

    def once(self):
        return self._client.ask(SearchRequest("who looks after gardens?", limit=20), 20)

    def by_name(self, profile_id):
        request = SearchRequest(f"name of {profile_id}", limit=1, mode=SearchMode.KEYWORD)
        return [hit.profile_id for hit in self._client.ask(request, 20).hits]

    def _ask(self):
        while not self._stop.is_set():
            self.replies.append(self.once())

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def close(self):
        self._client.close()


def ids(reply):
    return {hit.profile_id for hit in reply.hits}


@pytest.fixture
def asking(settings, filled, worker):
    worker(settings, "serve")
    one = Asking(settings)
    yield one
    one.close()


def test_a_lost_index_answers_unavailable_until_it_is_whole_and_then_as_before(settings, filled, lost, asking):
    before, embedded = asking.once(), counter(filled, "kith_embedded_total")
    assert len(ids(before)) == 20
    lost.lose()
    assert asking.once().status is ReplyStatus.UNAVAILABLE
    said = run(settings, "audit")
    assert said.returncode == 3
    assert "kith rebuild" in one_line_error(said)
    with asking:
        report = rebuilt(settings)
        wait_until(lambda: asking.replies[-1].status, lambda status: status is ReplyStatus.OK)
    assert (report["written"], report["wrong"], report["live"]) == (PROFILES, 0, True)
    assert asking.replies[0].status is ReplyStatus.UNAVAILABLE
    assert {reply.status for reply in asking.replies} == {ReplyStatus.UNAVAILABLE, ReplyStatus.OK}
    assert all(ids(reply) == ids(before) for reply in asking.replies if reply.status is ReplyStatus.OK)
    assert counter(filled, "kith_embedded_total") == embedded
    assert asking.by_name("p17") == ["p17"], "the words are there again too"
    assert (lost.live(), lost.marked()) == (True, False)
    assert audited(settings).exact


@pytest.mark.parametrize("begun", [True, False])
def test_an_indexer_that_starts_after_a_loss_leaves_the_index_hidden(settings, filled, lost, worker, bus, begun):
    filled.kill()
    lost.lose()
    if begun:
        wiring.refilled_collection(settings, lost.index).open(fresh=False)
    worker(settings, "index")
    bus.send(upsert("late", "Roofer"))
    wait_settled(settings)
    assert (lost.count(), lost.live(), lost.marked()) == (1, False, True)
    assert rebuilt(settings)["right"] == PROFILES + 1
    assert (lost.live(), lost.marked()) == (True, False)


def test_what_is_not_whole_is_not_made_live(settings, filled, lost, worker):
    assert filled.terminate() == 0
    vector = lost.index.vectors(lost.name, ["p7"], 10.0)["p7"].vector
    lost.lose()
    wiring.refilled_collection(settings, lost.index).open(fresh=False)
    lost.index.upsert(lost.name, [Row("stranger", 1, ProfileFields("x"), "x", vector)], 10.0)
    report = rebuilt(settings, "--timeout", "1", code=1)
    assert (report["right"], report["wrong"], report["asked"], report["live"]) == (PROFILES, 1, 1, False)
    assert (lost.live(), lost.marked()) == (False, True)
    worker(settings, "index")
    report = rebuilt(settings)
    assert (report["wrong"], report["live"]) == (0, True)
    assert (lost.count(), lost.live()) == (PROFILES, True)


def test_a_rebuild_that_is_killed_at_any_moment_is_run_again(settings, filled, lost):
    before = lost.vectors([f"p{n}" for n in range(PROFILES)])
    lost.lose()
    for moment in (lost.marked, lambda: lost.marked() and lost.count() > 0):
        process = started(settings)
        wait_until(moment, bool)
        process.kill()
        process.wait(10)
        assert not lost.live()
    for number in range(4):
        process = started(settings, *(("--fresh", "--yes") if number % 2 else ()))
        pause(1.0 + number)
        process.kill()
        process.wait(10)
    report = rebuilt(settings)
    assert (report["right"], report["wrong"], report["live"]) == (PROFILES, 0, True)
    assert (lost.live(), lost.marked()) == (True, False)
    assert lost.vectors(list(before)) == before
    assert audited(settings).exact


def test_a_corrupt_index_is_dropped_and_filled_again_under_traffic(settings, filled, lost, asking, bus):
    before = lost.vectors([f"p{n}" for n in range(PROFILES)])
    corrupt = np.zeros(len(before["p0"]), dtype=np.float32)
    corrupt[0] = 1.0
    lost.index.upsert(lost.name, [Row("p0", 1, ProfileFields("x"), "x", corrupt)], 10.0)
    assert audited(settings).exact, "the versions are right: an audit cannot see it"
    stop = threading.Event()

    def change():
        for number in range(10_000):
            if stop.wait(0.05):
                return
            bus.send(upsert(f"new{number % 50}", f"Roofer {number}", number + 2))

    changing = threading.Thread(target=change)
    changing.start()
    try:
        with asking:
            report = rebuilt(settings, "--fresh", "--yes")
    finally:
        stop.set()
        changing.join()
    assert report["live"]
    wait_settled(settings)
    found = audited(settings)
    assert found.exact, found
    assert lost.vectors(list(before)) == before
    answered = [reply for reply in asking.replies if reply.status is ReplyStatus.OK]
    assert ReplyStatus.UNAVAILABLE in {reply.status for reply in asking.replies}
    assert all(len(ids(reply)) == 20 for reply in answered)


def test_dropping_has_to_be_confirmed(settings, filled, lost):
    refused = subprocess.run(
        command(settings, "rebuild", "--fresh"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 2
    assert "--yes" in one_line_error(refused)
    ours, theirs = pty.openpty()
    asked = subprocess.Popen(command(settings, "rebuild", "--fresh"), stdin=theirs, stderr=subprocess.PIPE, text=True)
    os.write(ours, b"n\n")
    said = asked.communicate(timeout=60)[1]
    os.close(ours)
    os.close(theirs)
    assert asked.returncode == 2
    assert "was not dropped" in said
    assert (lost.count(), lost.live()) == (PROFILES, True)
