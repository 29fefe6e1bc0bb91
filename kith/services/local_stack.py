"""The real parts of one machine: started side by side, found again by later commands, stopped in reverse order."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from kith.deadline import Deadline
from kith.errors import PartFailed
from kith.services import broker, jars, milvus, registry
from kith.services.ports import LOOPBACK, take_port
from kith.services.process import Child, ProcessTable, stop, telling_line, wait_ready
from kith.settings import ENDPOINTS_FILE

PARTS = ("kafka", "registry", "milvus")

_START_S = 90.0
_STOP_S = 20.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where clients reach the parts, in the words of the settings; empty when a part is not run here."""

    kafka_bootstrap: str = ""
    schema_registry_url: str = ""
    milvus_uri: str = ""


@dataclass(frozen=True, slots=True)
class WantedPorts:
    """Ports asked for; 0 takes the one used before, or a free one."""

    kafka: int = 0
    registry: int = 0
    milvus: int = 0


@dataclass(frozen=True, slots=True)
class ChildStatus:
    """How a child is: `state` is running, ended or absent; memory in MiB; `note` is the telling line of its log."""

    name: str
    state: str
    pid: int | None
    memory_mib: int | None
    log_file: str
    note: str


class LocalStack:
    """Starts and stops parts in one state folder.

    Args:
        state_dir: data, logs, process records and endpoints.
        parts_dir: downloaded jars, shared between state folders.
        external: names out of `PARTS` that run elsewhere and are left alone.
        say: told what is done, a line at a time.
    """

    def __init__(
        self,
        state_dir: Path,
        parts_dir: Path,
        ports: WantedPorts | None = None,
        external: Sequence[str] = (),
        say: Say = lambda _line: None,
    ) -> None:
        self._state_dir = state_dir
        self._parts_dir = parts_dir
        self._wanted = ports or WantedPorts()
        self._own = [name for name in PARTS if name not in external]
        self._say = say
        self.processes = ProcessTable(state_dir)

    def start(self) -> Endpoints:
        """Start every part that does not run, wait until each answers, and note where they are.

        Raises:
            kith.errors.MissingTool: Java or Maven is needed and missing.
            kith.errors.PartFailed: a part did not start; those that did keep running.
        """
        starters = {"kafka": self._start_kafka, "registry": self._start_registry, "milvus": self._start_milvus}
        self._state_dir.mkdir(parents=True, exist_ok=True)
        if self._own != ["milvus"] and self._own:
            java = jars.require_java()
            kafka_jars = jars.kafka_jars(self._parts_dir, self._say) if "kafka" in self._own else Path()
            registry_jars = jars.registry_jars(self._parts_dir, self._say) if "registry" in self._own else Path()
            starters["kafka"] = partial(self._start_kafka, java, kafka_jars)
            starters["registry"] = partial(self._start_registry, java, registry_jars)
        with ThreadPoolExecutor(len(PARTS)) as pool:
            started = {name: pool.submit(starters[name]) for name in self._own}
        endpoints = Endpoints(
            kafka_bootstrap=started["kafka"].result() if "kafka" in started else "",
            schema_registry_url=started["registry"].result() if "registry" in started else "",
            milvus_uri=started["milvus"].result() if "milvus" in started else "",
        )
        (self._state_dir / ENDPOINTS_FILE).write_text(json.dumps(asdict(endpoints)))
        return endpoints

    def ensure_started(self, name: str, argv: Sequence[str]) -> Child:
        """Start a further process under a name, unless it runs.

        Raises:
            kith.errors.PartFailed: the program cannot be run.
        """
        child = self.processes.find(name)
        return child if child is not None and child.alive() else self.processes.start(name, argv)

    def wait(self, name: str, ready: Callable[[], bool], timeout_s: float = _START_S) -> None:
        """Wait until a process that was started is ready.

        Raises:
            kith.errors.PartFailed: it ended, or was not ready in time.
        """
        child = self.processes.find(name)
        if child is None:
            raise PartFailed(f"{name} was not started.")
        wait_ready(child, ready, Deadline.after(timeout_s))

    def stop(self, names: Sequence[str]) -> list[str]:
        """Stop children by name, one after the other; returns those that ran."""
        stopped = []
        for name in names:
            child = self.processes.find(name)
            if child is None:
                continue
            if child.alive():
                stopped.append(name)
            stop(child, Deadline.after(_STOP_S))
            self.processes.forget(name)
        return stopped

    def forget_endpoints(self) -> None:
        """Drop the note where the parts are."""
        (self._state_dir / ENDPOINTS_FILE).unlink(missing_ok=True)

    def status(self, names: Sequence[str]) -> list[ChildStatus]:
        """How each child is, in the order of `names`."""
        return [self._status(name) for name in names]

    def _status(self, name: str) -> ChildStatus:
        child = self.processes.find(name)
        if child is None:
            return ChildStatus(name, "absent", None, None, "", "")
        process = child.process()
        if process is None:
            return ChildStatus(name, "ended", child.pid, None, child.log_file, telling_line(child))
        memory = process.memory_info().rss // 2**20
        return ChildStatus(name, "running", child.pid, int(memory), child.log_file, "")

    def _start_kafka(self, java: str = "", kafka_jars: Path = Path()) -> str:
        port, controller = self._port("kafka", self._wanted.kafka), self._port("kafka-controller", 0)
        bootstrap = f"{LOOPBACK}:{port}"
        self._run(
            "kafka",
            lambda: broker.prepare(java, kafka_jars, self._data("kafka"), port, controller),
            lambda: broker.is_ready(bootstrap),
        )
        return bootstrap

    def _start_registry(self, java: str = "", registry_jars: Path = Path()) -> str:
        port = self._port("registry", self._wanted.registry)
        self._run(
            "registry",
            lambda: registry.prepare(java, registry_jars, self._data("registry"), port),
            lambda: registry.is_ready(registry.url(port)),
        )
        return registry.url(port)

    def _start_milvus(self) -> str:
        port = self._port("milvus", self._wanted.milvus)
        self._run(
            "milvus",
            lambda: milvus.prepare(self._data("milvus"), port),
            lambda: milvus.is_ready(milvus.uri(port)),
        )
        return milvus.uri(port)

    def _run(self, name: str, command: Callable[[], list[str]], ready: Callable[[], bool]) -> None:
        child = self.processes.find(name)
        if child is None or not child.alive():
            self.processes.start(name, command())
        self.wait(name, ready)

    def _data(self, name: str) -> Path:
        return self._state_dir / "data" / name

    def _port(self, name: str, wanted: int) -> int:
        path = self._state_dir / "ports" / name
        remembered = int(path.read_text()) if path.is_file() else None
        child = self.processes.find(name.removesuffix("-controller"))
        if child is not None and child.alive() and remembered:
            return remembered
        port = take_port(wanted, remembered, f"KITH_{_SETTINGS.get(name, name.upper())}_PORT")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(port))
        return port


_SETTINGS = {"kafka": "KAFKA", "registry": "SCHEMA_REGISTRY", "milvus": "MILVUS"}
