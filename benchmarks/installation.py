"""An installation for a measurement: Kafka and registry of its own, a Milvus server, and kith's processes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2
import psutil

from kith import wiring
from kith.deadline import Deadline
from kith.services.local_stack import LocalStack
from kith.services.ports import LOOPBACK, free_port
from kith.services.process import pause
from kith.settings import ENV_PREFIX, Settings
from streams.groups import committed
from streams.topic_reader import topic_ends
from tests.milvus_servers import Standalone

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "models"
_START_S, _LEVEL_S, _STOP_S = 120.0, 3600.0, 90.0


class Installation:
    """Parts and processes in one folder, ended when it is left.

    Args:
        milvus_server: program of the package `milvus`.
        model: release that is live.
    """

    def __init__(self, folder: Path, milvus_server: Path, model: str) -> None:
        self._folder = folder
        self._stack = LocalStack(folder / "parts", ROOT / ".kith" / "parts", external=["milvus"], say=say)
        self._milvus = Standalone(milvus_server.absolute(), folder / "milvus")
        self._model = model
        self._workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self._milvus.start()
        parts = self._stack.start()
        self.settings = Settings(
            kafka_bootstrap=parts.kafka_bootstrap,
            schema_registry_url=parts.schema_registry_url,
            milvus_uri=self._milvus.uri,
            state_dir=self._folder / "state",
            model_dir=MODELS / self._model,
            models_dir=MODELS,
        )
        kith(self.settings, "topics", "apply")
        kith(self.settings, "schemas", "register")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in reversed(self._workers):
            worker.terminate()
        for worker in self._workers:
            worker.wait(_STOP_S)
        self._stack.stop(["registry", "kafka"])
        self._milvus.kill()

    def processes(self) -> dict[str, list[psutil.Process]]:
        """The parts' processes by part: broker, registry, Milvus with what its wrapper started."""
        found = {"broker": "kafka", "registry": "registry"}
        children = {part: self._stack.processes.find(name) for part, name in found.items()}
        roots = {part: child.pid for part, child in children.items() if child is not None} | {
            "Milvus": self._milvus.pid
        }
        return {
            part: [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)] for part, pid in roots.items()
        }

    def of_release(self, model: str) -> Settings:
        """Settings of an indexer of that release."""
        return self.settings.model_copy(update={"model_dir": MODELS / model})

    def start(self, settings: Settings, verb: str, module: str = "kith") -> subprocess.Popen[bytes]:
        """Start `kith index` or `kith serve`, and wait until it is ready but for a backlog; ended with the rest.

        Args:
            module: what stands in for `kith`, and takes the same arguments.
        """
        port, log = free_port(), self._folder / f"{verb}-{len(self._workers)}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(  # noqa: S603 - the arguments are ours
                _command(settings, verb, "--health-port", str(port), module=module), stdout=file, stderr=file
            )
        self._workers.append(process)
        deadline = Deadline.after(_START_S)
        while not _started(port):
            if process.poll() is not None or deadline.expired():
                raise RuntimeError(log.read_text())
            pause(0.3)
        return process


def kith(settings: Settings, *arguments: str, timeout_s: float = 3600) -> str:
    """What a command prints; it has to succeed."""
    done = subprocess.run(  # noqa: S603 - the arguments are ours
        _command(settings, *arguments), capture_output=True, text=True, check=False, timeout=timeout_s
    )
    if done.returncode:
        raise RuntimeError(f"kith {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout


def fresh(settings: Settings, name: str) -> Settings:
    """Topics, collections, groups and a state folder of their own in the same installation; the topics are made."""
    own = {"topic_prefix": f"{name}.", "collection_prefix": f"{name}_", "state_dir": settings.state_dir / name}
    given = {key: getattr(settings, key) for key in settings.model_fields_set}
    apart = Settings(**(given | own))
    kith(apart, "topics", "apply")
    return apart


def wait_level(settings: Settings, at_most: int = 0) -> None:
    """Wait until at most so many records wait for the indexer of a release."""
    group, config, deadline = wiring.indexer_group(settings), settings.kafka_client(), Deadline.after(_LEVEL_S)
    while True:
        left = 0
        for topic in wiring.topics(settings).inputs:
            ends = topic_ends(config, topic.name)
            reached = committed(config, group, topic.name, ends)
            left += sum(end - reached.get(number, 0) for number, end in ends.items())
        if left <= at_most:
            return
        if deadline.expired():
            raise RuntimeError(f"{left} records wait for {group}")
        pause(1.0)


def say(line: str) -> None:
    """A line with the time of day."""
    print(f"[{time.strftime('%H:%M:%S')}] {line}", flush=True)


def _started(port: int) -> bool:
    try:
        reasons: dict[str, str] = httpx2.get(f"http://{LOOPBACK}:{port}/readyz", timeout=2.0).json()["reasons"]
    except (httpx2.TransportError, KeyError):
        return False
    return reasons.keys() <= {"lag"}


def _command(settings: Settings, *arguments: str, module: str = "kith") -> Sequence[str]:
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    variables = [f"{ENV_PREFIX}{name.upper()}={value}" for name, value in given.items()]
    return ["/usr/bin/env", *variables, sys.executable, "-m", module, *arguments]
