"""Milvus servers of the tests' own: killed, stopped, continued and started again on the same data and port."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
from pymilvus import MilvusClient, MilvusException

from kith.services.ports import LOOPBACK, free_port
from tests.waiting import wait_until

START_S = 120.0
# Every port that a standalone server opens and that can be chosen.
_PORTS = (
    "etcd",
    "root-coord",
    "proxy",
    "proxy-internal",
    "query-coord",
    "query-node",
    "index-coord",
    "index-node",
    "data-coord",
    "data-node",
)
# Printed by the wrapper once all components are healthy; it does not let the port be chosen that says so over HTTP.
_UP = b"Ctrl+C to exit"


class MilvusServer:
    """A server process and what it started, ended together.

    Attributes:
        port: the same over all its lives.
    """

    def __init__(self, data: Path) -> None:
        self.port = free_port()
        self.uri = f"http://{LOOPBACK}:{self.port}"
        self._data = data
        self._log = data.parent / f"{data.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        self._data.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log, start_new_session=True)
        wait_until(self._answers, bool, START_S)

    def kill(self) -> None:
        """SIGKILL for all of it."""
        if self._process is not None and self._process.poll() is None:
            self.send(signal.SIGKILL)
            self._process.wait(10)
            wait_until(self._listens, lambda listens: not listens)

    def send(self, number: signal.Signals) -> None:
        """A signal for all of it."""
        assert self._process is not None
        os.killpg(self._process.pid, number)

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"Milvus ended with {self._process.returncode}"
        return self._listens()

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, self.port), 0.2):
            return True
        return False


class Lite(MilvusServer):
    """Milvus Lite."""

    def _command(self) -> list[str]:
        address = ["--host", LOOPBACK, "--port", str(self.port)]
        return [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(self._data), *address]


class Standalone(MilvusServer):
    """A Milvus server with its etcd and its log inside, as the `milvus` package carries one.

    Its wrapper unpacks it, writes its configuration and starts it. Later lives go without the wrapper, which takes
    another port when connections of the life before are still remembered on the old one.

    Args:
        program: the wrapper, `milvus-server`.
    """

    def __init__(self, program: Path, data: Path) -> None:
        super().__init__(data)
        self._program = program
        self._ports = {name: free_port() for name in _PORTS} | {"proxy": self.port}
        self._health_port = free_port()

    def _command(self) -> list[str]:
        unpacked = self._data / "bin" / "milvus"
        if unpacked.exists():
            where = {"LD_LIBRARY_PATH": str(unpacked.parent), "MILVUS_RUN_DIR": str(self._data / "run")}
            told = where | {"DEPLOY_MODE": "STANDALONE", "METRICS_PORT": str(self._health_port)}
            pairs = [f"{name}={value}" for name, value in told.items()]
            return ["env", "--chdir", str(self._data), *pairs, str(unpacked), "run", "standalone"]
        ports = [word for name, port in self._ports.items() for word in (f"--{name}-port", str(port))]
        return [str(self._program), "--data", str(self._data), *ports]

    def _answers(self) -> bool:
        return super()._answers() and (_UP in self._log.read_bytes() or self._is_healthy())

    def _is_healthy(self) -> bool:
        # It calls itself healthy before its proxy has found the others.
        try:
            healthy = httpx2.get(f"http://{LOOPBACK}:{self._health_port}/healthz", timeout=2.0).text == "OK"
            return healthy and MilvusClient(self.uri, timeout=2.0).list_collections() is not None
        except (httpx2.TransportError, MilvusException):
            return False
