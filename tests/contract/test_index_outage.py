"""A Milvus that dies, hangs and comes back, seen through `MilvusIndex`. Needs a server of its own to kill."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from kith.errors import Unavailable
from tests.milvus_servers import START_S, Lite, MilvusServer, Standalone
from tests.waiting import wait_until
from workers.contract import ProfileFields, Row
from workers.milvus_index import MilvusIndex
from workers.model_collections import ensure_collection

DIM = 8
TIMEOUT_S = 30.0
# What a failing call may take beyond its limit: one attempt to reconnect, and a busy machine.
GRACE_S = 2.5


@pytest.fixture
def server(tmp_path: Path, milvus_server: Standalone | None) -> Iterator[MilvusServer]:
    if milvus_server is not None:
        yield milvus_server
        return
    lite = Lite(tmp_path / "milvus")
    lite.start()
    yield lite
    lite.kill()


@pytest.fixture
def index(server: MilvusServer) -> Iterator[MilvusIndex]:
    adapter = MilvusIndex(server.uri)
    yield adapter
    adapter.close()


def row(number: int) -> Row:
    vector = np.zeros(DIM, np.float32)
    vector[number % DIM] = 1
    return Row(f"p{number}", 1, ProfileFields(name="n"), "text", vector)


def seconds_to_fail(request: Callable[[], object]) -> float:
    began = time.monotonic()
    with pytest.raises(Unavailable):
        request()
    return time.monotonic() - began


def works_again(request: Callable[[], object]) -> None:
    """A standalone server takes requests some time before it has loaded its collections again."""

    def works() -> bool:
        try:
            request()
        except Unavailable:
            return False
        return True

    wait_until(works, bool, START_S)


def requests_of(index: MilvusIndex, collection: str, timeout_s: float) -> list[Callable[[], object]]:
    query = row(0).vector[None]
    return [
        lambda: index.upsert(collection, [row(1)], timeout_s),
        lambda: index.search(collection, query, 1, [], timeout_s),
        lambda: index.versions(collection, ["p1"], timeout_s),
        lambda: index.delete(collection, ["absent"], timeout_s),
        lambda: index.count(collection, timeout_s),
    ]


def test_a_server_that_never_was_is_unavailable_at_once() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        index = MilvusIndex(f"http://127.0.0.1:{held.getsockname()[1]}")

        assert all(seconds_to_fail(request) < 2 + GRACE_S for request in requests_of(index, "profiles__x", 2.0))


def test_a_server_that_hangs_is_unavailable_in_time_and_usable_after(server: MilvusServer, index: MilvusIndex) -> None:
    collection = ensure_collection(index.connection, "outage-hung", "profile-text-1", DIM, TIMEOUT_S).name
    index.upsert(collection, [row(1)], TIMEOUT_S)
    fresh = MilvusIndex(server.uri, connect_timeout_s=1.0)

    server.send(signal.SIGSTOP)
    try:
        for adapter in (index, fresh):
            for request in requests_of(adapter, collection, 1.0):
                assert seconds_to_fail(request) < 1 + GRACE_S
    finally:
        server.send(signal.SIGCONT)

    for adapter in (index, fresh):
        for request in requests_of(adapter, collection, TIMEOUT_S):
            request()
        assert adapter.count(collection, TIMEOUT_S) == 1
    fresh.close()


def test_every_call_fails_in_time_while_the_server_is_dead_and_works_again_after(
    server: MilvusServer, index: MilvusIndex
) -> None:
    collection = ensure_collection(index.connection, "outage-dead", "profile-text-1", DIM, TIMEOUT_S).name
    index.upsert(collection, [row(n) for n in range(300)], TIMEOUT_S)

    for _ in range(2):
        server.kill()
        for request in requests_of(index, collection, 2.0):
            assert seconds_to_fail(request) < 2 + GRACE_S

        server.start()
        for request in requests_of(index, collection, TIMEOUT_S):
            works_again(request)
        assert index.count(collection, TIMEOUT_S) == 300
