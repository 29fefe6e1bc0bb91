"""Child processes: started in a session of their own, alive-checked while waited for, ended by process id."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import psutil

from kith.deadline import Deadline
from kith.errors import PartFailed

_POLL_S = 0.05
_LAST_LINES = 40
# Words that mark the line of a log which says why a process ended.
_TELLING = ("error", "exception", "fatal", "cannot", "failed", "refused", "kith:")


@dataclass(frozen=True, slots=True)
class Child:
    """A process that was started. `created` (psutil's create time) tells it from a later one with the same id."""

    name: str
    pid: int
    created: float
    log_file: str
    argv: tuple[str, ...]

    def process(self) -> psutil.Process | None:
        """The process, or None when it has ended."""
        try:
            process = psutil.Process(self.pid)
            ours = abs(process.create_time() - self.created) < 1.0
            return process if ours and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None

    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process() is not None


class ProcessTable:
    """The children of one state folder, remembered in it, so that another command finds them.

    Args:
        state_dir: records go to `<state_dir>/run`, logs to `<state_dir>/logs`.
    """

    def __init__(self, state_dir: Path) -> None:
        self._run = state_dir / "run"
        self._logs = state_dir / "logs"

    def find(self, name: str) -> Child | None:
        """The child of that name, alive or not; None when none was started."""
        path = self._run / f"{name}.json"
        if not path.is_file():
            return None
        held = json.loads(path.read_text())
        return Child(held["name"], held["pid"], held["created"], held["log_file"], tuple(held["argv"]))

    def start(self, name: str, argv: Sequence[str]) -> Child:
        """Start a child; its output is appended to its log file.

        Raises:
            PartFailed: the program cannot be run.
        """
        self._run.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        log_file = self._logs / f"{name}.log"
        with log_file.open("ab") as log:
            try:
                popen = subprocess.Popen(  # noqa: S603 - the arguments are ours
                    argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
                )
            except OSError as error:
                raise PartFailed(f"{name} cannot be started: {error}.") from error
        _CHILDREN[popen.pid] = popen
        child = Child(name, popen.pid, _create_time(popen.pid), str(log_file), tuple(argv))
        path = self._run / f"{name}.json"
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps({field: getattr(child, field) for field in Child.__slots__}))
        partial.rename(path)
        return child

    def forget(self, name: str) -> None:
        """Drop the record of a child that has ended."""
        (self._run / f"{name}.json").unlink(missing_ok=True)


# Popen objects of this process's own children: asking them reaps what has ended.
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}
_NEVER = Event()


def wait_ready(child: Child, ready: Callable[[], bool], deadline: Deadline) -> None:
    """Wait until `ready()`, while the child lives.

    Raises:
        PartFailed: the child ended, or the deadline passed; names its log and the telling line in it.
    """
    while True:
        _reap(child.pid)
        if not child.alive():
            raise PartFailed(f"{child.name} ended while starting: {telling_line(child)}", f"Its log is {child.log_file}.")
        if ready():
            return
        if deadline.expired():
            raise PartFailed(f"{child.name} is not ready in time: {telling_line(child)}", f"Its log is {child.log_file}.")
        pause(_POLL_S)


def stop(child: Child, deadline: Deadline) -> None:
    """End a child: SIGTERM, and SIGKILL when the deadline passes. Harmless when it has ended already."""
    process = child.process()
    if process is None:
        _reap(child.pid)
        return
    process.terminate()
    try:
        process.wait(timeout=deadline.remaining())
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(timeout=5)
    _reap(child.pid)


def telling_line(child: Child) -> str:
    """The last line of a child's log that looks like the reason of its end; the last line when none does."""
    path = Path(child.log_file)
    lines = path.read_text(errors="replace").splitlines()[-_LAST_LINES:] if path.is_file() else []
    lines = [line.strip() for line in lines if line.strip()]
    for line in reversed(lines):
        if any(word in line.lower() for word in _TELLING) and not line.startswith("at "):
            return line[:300]
    return lines[-1][:300] if lines else "it said nothing."


def pause(seconds: float) -> None:
    """Wait between two looks at a condition."""
    _NEVER.wait(seconds)


def _reap(pid: int) -> None:
    popen = _CHILDREN.get(pid)
    if popen is not None and popen.poll() is not None:
        _CHILDREN.pop(pid, None)


def _create_time(pid: int) -> float:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return time.time()
