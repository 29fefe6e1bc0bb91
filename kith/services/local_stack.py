"""The real parts of one machine: started side by side, found again by later commands, stopped in reverse order."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from kith.deadline import Deadline
from kith.errors import PartFailed
from kith.services import broker, jars, milvus, registry
from kith.services.ports import take_port
from kith.services.process import Child, ProcessTable, stop, telling_line, wait_ready
from kith.services.state_files import only_one, write_whole
from kith.settings import ENDPOINTS_FILE

PARTS = ("kafka", "registry", "milvus")

# Port by part; the controller is a second port of the broker and of no interest to clients.
_SETTINGS = {"kafka": "KITH_KAFKA_PORT", "registry": "KITH_SCHEMA_REGISTRY_PORT", "milvus": "KITH_MILVUS_PORT"}
_CONTROLLER = "kafka-controller"

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
        try:
            self._state_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PartFailed(f"{self._state_dir} cannot be made: {error.strerror}.", "Set KITH_STATE_DIR.") from error
        with only_one(self._state_dir / "lock", lambda: self._say("waiting for another command that starts the parts")):
            endpoints = self._start_all(self._ports())
            write_whole(self._state_dir / ENDPOINTS_FILE, json.dumps(asdict(endpoints)))
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
        try:
            memory = None if process is None else int(process.memory_info().rss) // 2**20
        except psutil.NoSuchProcess:
            memory = None
        if memory is None:
            return ChildStatus(name, "ended", child.pid, None, child.log_file, telling_line(child))
        return ChildStatus(name, "running", child.pid, memory, child.log_file, "")

    def _start_all(self, ports: Mapping[str, int]) -> Endpoints:
        commands = self._commands(ports)
        ready = {
            "kafka": lambda: broker.is_ready(ports["kafka"]),
            "registry": lambda: registry.is_ready(ports["registry"]),
            "milvus": lambda: milvus.is_ready(ports["milvus"]),
        }
        with ThreadPoolExecutor(len(PARTS)) as pool:
            started = [pool.submit(self._start, name, commands[name], ready[name]) for name in self._own]
        for part in started:
            part.result()
        return Endpoints(
            kafka_bootstrap=broker.bootstrap(ports["kafka"]) if "kafka" in ports else "",
            schema_registry_url=registry.url(ports["registry"]) if "registry" in ports else "",
            milvus_uri=milvus.uri(ports["milvus"]) if "milvus" in ports else "",
        )

    def _commands(self, ports: Mapping[str, int]) -> dict[str, Callable[[], list[str]]]:
        commands: dict[str, Callable[[], list[str]]] = {
            "milvus": lambda: milvus.prepare(self._data("milvus"), ports["milvus"])
        }
        if "kafka" in self._own or "registry" in self._own:
            java = jars.require_java()
        if "kafka" in self._own:
            kafka = jars.kafka_jars(self._parts_dir, self._say)
            commands["kafka"] = lambda: broker.prepare(
                java, kafka, self._data("kafka"), ports["kafka"], ports[_CONTROLLER]
            )
        if "registry" in self._own:
            unpacked = jars.registry_jars(self._parts_dir, self._say)
            commands["registry"] = lambda: registry.prepare(java, unpacked, self._data("registry"), ports["registry"])
        return commands

    def _start(self, name: str, command: Callable[[], list[str]], ready: Callable[[], bool]) -> None:
        child = self.processes.find(name)
        if child is None or not child.alive():
            child = self.processes.start(name, command())
        wait_ready(child, ready, Deadline.after(_START_S))

    def _data(self, name: str) -> Path:
        return self._state_dir / "data" / name

    def _ports(self) -> dict[str, int]:
        """Ports of the own parts, told apart before anything is started, and kept for the next start."""
        ports: dict[str, int] = {}
        for name in self._own:
            ports[name] = self._port(name, name, getattr(self._wanted, name), ports.values())
        if "kafka" in self._own:
            ports[_CONTROLLER] = self._port(_CONTROLLER, "kafka", 0, ports.values())
        return ports

    def _port(self, name: str, part: str, wanted: int, avoid: Collection[int]) -> int:
        path = self._state_dir / "ports" / name
        remembered = int(path.read_text()) if path.is_file() else None
        child = self.processes.find(part)
        if child is not None and child.alive() and remembered:
            if wanted not in {0, remembered}:
                raise PartFailed(
                    f"{part} runs on port {remembered} and {_SETTINGS[part]} asks for {wanted}.",
                    "Run `kith down` first.",
                )
            return remembered
        port = take_port(wanted, remembered, _SETTINGS[part], avoid)
        write_whole(path, str(port))
        return port
