"""The two worker processes of an installation, as their users run them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from kith import wiring
from kith.services.ports import LOOPBACK, free_port
from kith.settings import DEFAULT_MODEL_DIR, Settings
from tests.integration.bus import Bus
from tests.kith_process import command
from tests.waiting import wait_until
from workers.model_collections import collection_name


class Worker:
    """A running `kith index` or `kith serve`."""

    def __init__(self, settings: Settings, verb: str, log: Path) -> None:
        self.port = free_port()
        self.log = log
        self._file = log.open("wb")
        argv = command(settings, verb, "--health-port", str(self.port))
        self.process = subprocess.Popen(argv, stdout=self._file, stderr=subprocess.STDOUT)

    def get(self, path: str) -> httpx2.Response | None:
        try:
            return httpx2.get(f"http://{LOOPBACK}:{self.port}{path}", timeout=2.0)
        except httpx2.TransportError:
            return None

    def ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        answer = self.get("/readyz")
        return answer is not None and answer.status_code == 200

    def wait_ready(self) -> None:
        wait_until(self.ready, bool)

    def kill(self) -> None:
        self.process.kill()
        self.close()

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.close()

    def close(self) -> int:
        code = self.process.wait(timeout=30)
        self._file.close()
        return code


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Callable[[Settings, str], Worker]]:
    """Starts workers, waits until they are ready, and ends those that are left."""
    started: list[Worker] = []

    def start(settings: Settings, verb: str) -> Worker:
        one = Worker(settings, verb, tmp_path / f"{verb}-{len(started)}.log")
        started.append(one)
        one.wait_ready()
        return one

    yield start
    for one in started:
        if one.process.poll() is None:
            one.kill()
        else:
            one.close()


@pytest.fixture
def bus(settings: Settings) -> Iterator[Bus]:
    one = Bus(settings)
    yield one
    one.close()


@pytest.fixture
def held(settings: Settings) -> Iterator[Callable[[], int]]:
    """How many profiles the index holds now."""
    index = wiring.index(settings)
    name = collection_name(DEFAULT_MODEL_DIR.name, settings.collection_prefix)
    yield lambda: index.count(name, 10.0)
    index.close()
