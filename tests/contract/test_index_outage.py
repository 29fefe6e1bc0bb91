"""A Milvus that dies, hangs and comes back, seen through `MilvusIndex`. Needs a server of its own to kill."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from kith.deadline import Deadline
from kith.errors import Unavailable
from workers.contract import ProfileFields, Row
from workers.milvus_index import MilvusIndex
from workers.model_collections import ensure_collection

DIM = 8
TIMEOUT_S = 30.0
START_S = 60.0
# What a failing call may take beyond its limit: one attempt to reconnect, and a busy machine.
GRACE_S = 2.5


class Lite:
    """A Milvus Lite server that can be killed, stopped, continued and started again on the same data and port."""

    def __init__(self, data: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.uri = f"http://127.0.0.1:{self.port}"
        self._data = data
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        address = ["--host", "127.0.0.1", "--port", str(self.port)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(self._data), *address],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = Deadline.after(START_S)
        while not self._listens():
            assert self._process.poll() is None, f"Milvus Lite ended with {self._process.returncode}"
            assert not deadline.expired(), f"Milvus Lite does not listen on {self.port} after {START_S} s"

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
            return True
        return False


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Lite]:
    server = Lite(tmp_path / "milvus")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def index(lite: Lite) -> Iterator[MilvusIndex]:
    adapter = MilvusIndex(lite.uri)
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


def test_every_call_fails_in_time_while_the_server_is_dead_and_works_again_after(
    lite: Lite, index: MilvusIndex
) -> None:
    collection = ensure_collection(index.connection, "outage", "profile-text-1", DIM, TIMEOUT_S).name
    index.upsert(collection, [row(n) for n in range(300)], TIMEOUT_S)

    for _ in range(2):
        lite.kill()
        for request in requests_of(index, collection, 2.0):
            assert seconds_to_fail(request) < 2 + GRACE_S

        lite.start()
        for request in requests_of(index, collection, TIMEOUT_S):
            request()
        assert index.count(collection, TIMEOUT_S) == 300


def test_a_server_that_hangs_is_unavailable_in_time_and_usable_after(lite: Lite, index: MilvusIndex) -> None:
    collection = ensure_collection(index.connection, "outage", "profile-text-1", DIM, TIMEOUT_S).name
    index.upsert(collection, [row(1)], TIMEOUT_S)
    fresh = MilvusIndex(lite.uri, connect_timeout_s=1.0)

    lite.send(signal.SIGSTOP)
    try:
        for adapter in (index, fresh):
            for request in requests_of(adapter, collection, 1.0):
                assert seconds_to_fail(request) < 1 + GRACE_S
    finally:
        lite.send(signal.SIGCONT)

    for adapter in (index, fresh):
        for request in requests_of(adapter, collection, TIMEOUT_S):
            request()
        assert adapter.count(collection, TIMEOUT_S) == 1
    fresh.close()
