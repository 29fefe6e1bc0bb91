"""The fault suite's watcher can fail: a profile that is set back is found, and what only looks like it is not."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import numpy as np
import pytest

from kith.errors import Unavailable
from kith.services.ports import LOOPBACK, free_port
from tests.faults.watcher import Seen, Watcher
from tests.waiting import wait_until
from workers.contract import ProfileFields, Row
from workers.milvus_index import MilvusIndex
from workers.model_collections import ensure_collection

DIM = 16
TIMEOUT_S = 30.0


@pytest.fixture
def index(milvus_uri: str) -> Iterator[MilvusIndex]:
    one = MilvusIndex(milvus_uri)
    yield one
    one.close()


@pytest.fixture
def collection(index: MilvusIndex) -> Iterator[str]:
    name = ensure_collection(index.connection, f"w-{uuid4().hex[:12]}", "profile-text-1", DIM, TIMEOUT_S).name
    yield name
    index.connection.call("drop", TIMEOUT_S, lambda c, left: c.drop_collection(name, timeout=left))


@pytest.fixture
def watcher(index: MilvusIndex, collection: str) -> Iterator[Watcher]:
    one = Watcher(index, collection, pause_s=0.05)
    one.start()
    yield one
    if one.is_alive():
        one.finish()


def row(version: int, profile_id: str = "p1") -> Row:
    vector = np.zeros(DIM, dtype=np.float32)
    vector[0] = 1.0
    return Row(profile_id, version, ProfileFields(profile_id), "text", vector)


def test_a_version_that_was_written_over_a_newer_one_is_set_back(index, collection, watcher):
    index.upsert(collection, [row(5), row(5, "p2")], TIMEOUT_S)
    wait_until(lambda: dict(watcher.seen.newest), lambda newest: newest == {"p1": 5, "p2": 5})

    index.upsert(collection, [row(4)], TIMEOUT_S)

    wait_until(lambda: set(watcher.seen.set_back), lambda set_back: set_back == {"p1"})
    assert watcher.finish().set_back == {"p1"}


def test_versions_that_rise_and_profiles_that_leave_and_return_are_not(index, collection, watcher):
    for version in range(1, 30, 2):
        index.upsert(collection, [row(version), row(version, "p2")], TIMEOUT_S)
        wait_until(lambda: dict(watcher.seen.newest), lambda newest, v=version: newest == {"p1": v, "p2": v})
        index.delete(collection, ["p1"], TIMEOUT_S)
        before = watcher.looks
        wait_until(lambda: watcher.looks, lambda looks, least=before + 1: looks > least)

    seen = watcher.finish()

    assert seen.set_back == set()
    assert seen.doubted == set()


def test_an_index_that_is_away_leaves_no_verdict():
    index = MilvusIndex(f"http://{LOOPBACK}:{free_port()}", connect_timeout_s=0.2)
    watcher = Watcher(index, "nowhere", pause_s=0.01)
    watcher.start()

    with pytest.raises(Unavailable):
        watcher.finish()
    index.close()


@pytest.mark.parametrize(
    ("again", "set_back"),
    [
        ({"p": 3}, True),
        ({"p": 4}, True),  # newer than the first reading, older than what was seen
        ({"p": 5}, False),
        ({"p": 6}, False),
        ({}, False),  # deleted
    ],
)
def test_only_two_readings_that_agree_set_a_profile_back(again, set_back):
    seen = Seen({"p": 5})
    seen.note("p", 3)
    assert (seen.doubted, seen.set_back, seen.flickered) == ({"p"}, set(), set())

    seen.settle(again)

    assert (seen.doubted, seen.set_back, seen.flickered) == (
        set(),
        {"p"} if set_back else set(),
        set() if set_back else {"p"},
    )
    assert seen.newest == {"p": max([5, *again.values()])}


def test_a_first_reading_is_no_fall():
    seen = Seen()
    seen.note("p", 0)
    seen.note("p", 0)

    assert (seen.newest, seen.doubted) == ({"p": 0}, set())
