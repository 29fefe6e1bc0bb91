"""Child processes: started in a session of their own, alive-checked while waited for, ended by process id."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event

import psutil

from kith.deadline import Deadline
from kith.errors import PartFailed
from kith.services.state_files import write_whole

_POLL_S = 0.05
# Where there is no policy for work that gives way.
_LEAST = 19
# What SIGKILL may take.
_KILL_S = 10.0
_LAST_BYTES = 16_384
_LONGEST_LINE = 300
# Words that mark the line of a log which says why a process ended.
_TELLING = ("error", "exception", "fatal", "cannot", "failed", "refused", "kith:")


@dataclass(frozen=True, slots=True)
class Child:
    """A process that was started.

    Attributes:
        created: psutil's create time, which tells it from a later process with the same id.
        log_start: byte of the log file at which its own output starts.
    """

    name: str
    pid: int
    created: float
    log_file: str
    argv: tuple[str, ...]
    log_start: int = 0

    def process(self) -> psutil.Process | None:
        """The process, or None when it has ended; a process that merely got the same id is none."""
        _reap(self.pid)
        try:
            process = psutil.Process(self.pid)
            ours = abs(process.create_time() - self.created) < 1.0
            # Its first thread may be gone while others still hold its ports and files.
            if ours and (process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1):
                return process
        except psutil.NoSuchProcess:
            return None
        _reap(self.pid)  # it may have ended since the first look
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
        return Child(**held | {"argv": tuple(held["argv"])})

    def names(self) -> list[str]:
        """Of every child that was started and not forgotten."""
        return sorted(path.stem for path in self._run.glob("*.json"))

    def start(self, name: str, argv: Sequence[str]) -> Child:
        """Start a child; its output is appended to its log file.

        Raises:
            PartFailed: the program cannot be run.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        log_file = self._logs / f"{name}.log"
        with log_file.open("ab") as log:
            log_start = log.tell()
            try:
                popen = subprocess.Popen(  # noqa: S603 - the arguments are ours
                    argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
                )
            except OSError as error:
                raise PartFailed(f"{name} cannot be started: {error}.") from error
        _CHILDREN[popen.pid] = popen
        created = float(psutil.Process(popen.pid).create_time())
        child = Child(name, popen.pid, created, str(log_file), tuple(argv), log_start)
        write_whole(self._run / f"{name}.json", json.dumps(asdict(child)))
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
    while child.alive():
        if ready():
            return
        if deadline.expired():
            why = f"{child.name} is not ready in time: {telling_line(child)}"
            raise PartFailed(why, f"Its log is {child.log_file}.")
        pause(_POLL_S)
    raise PartFailed(f"{child.name} ended while starting: {telling_line(child)}", f"Its log is {child.log_file}.")


def stop(child: Child, deadline: Deadline) -> None:
    """End a child: SIGTERM, and SIGKILL when the deadline passes. Harmless when it has ended already.

    Raises:
        PartFailed: not even SIGKILL ended it.
    """
    process = child.process()
    if process is None:
        return
    with suppress(psutil.NoSuchProcess):  # it may end by itself in between
        process.terminate()
    if _ended(child, deadline):
        return
    with suppress(psutil.NoSuchProcess):
        process.kill()
    if not _ended(child, Deadline.after(_KILL_S)):
        raise PartFailed(f"{child.name} (process {child.pid}) does not end.", f"Its log is {child.log_file}.")


def telling_line(child: Child) -> str:
    """The last line of a child's own output that looks like the reason of its end; its last line when none does."""
    lines = [line for line in _last_lines(child) if not line.startswith(("at ", "... "))]
    for line in reversed(lines):
        if any(word in line.lower() for word in _TELLING):
            return line[:_LONGEST_LINE]
    return lines[-1][:_LONGEST_LINE] if lines else "it said nothing."


def give_way() -> None:
    """Take the processors only while nobody else wants them; threads that are started afterwards do so too."""
    try:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except (AttributeError, OSError):
        os.nice(_LEAST)


def pause(seconds: float) -> None:
    """Wait between two looks at a condition."""
    _NEVER.wait(seconds)


def _ended(child: Child, deadline: Deadline) -> bool:
    while child.alive():
        if deadline.expired():
            return False
        pause(_POLL_S)
    return True


def _last_lines(child: Child) -> list[str]:
    path = Path(child.log_file)
    if not path.is_file():
        return []
    with path.open("rb") as log:
        log.seek(max(child.log_start, path.stat().st_size - _LAST_BYTES))
        lines = log.read().decode(errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip()]


def _reap(pid: int) -> None:
    popen = _CHILDREN.get(pid)
    if popen is not None and popen.poll() is not None:
        _CHILDREN.pop(pid, None)
