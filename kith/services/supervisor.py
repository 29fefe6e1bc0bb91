"""Several processes of one kind kept running: restarted with growing pauses, ended together."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from kith.deadline import Deadline
from kith.errors import InputError, PartFailed

# A process that lived shorter than this died quickly.
_QUICK_S = 30.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_QUICK_DEATHS = 5
_POLL_S = 0.1
# What has to be corrected by a person is the same after a restart.
_TO_CORRECT = 2

Say = Callable[[str, dict[str, object]], None]


class RestartPolicy:
    """When a process that ended is started again."""

    def __init__(self) -> None:
        self._quick = 0

    def pause_after(self, lived_s: float) -> float | None:
        """Seconds to wait before the next start; None after too many quick deaths in a row."""
        if lived_s >= _QUICK_S:
            self._quick = 0
        self._quick += 1
        if self._quick >= _QUICK_DEATHS:
            return None
        return min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** (self._quick - 1))


class _Worker:
    """One place among the workers, and the process that fills it now."""

    def __init__(self, number: int, argv: Sequence[str]) -> None:
        self.number = number
        self._argv = argv
        self.policy = RestartPolicy()
        self.process: subprocess.Popen[bytes] | None = None
        self.due = 0.0
        self._started = 0.0

    def start(self) -> None:
        self._started = time.monotonic()
        # A group of its own: Ctrl-C reaches it once, by its supervisor. The pipe closes when the supervisor dies.
        self.process = subprocess.Popen(self._argv, stdin=subprocess.PIPE, process_group=0)  # noqa: S603 - ours

    def lived_s(self) -> float:
        return time.monotonic() - self._started


class Supervisor:
    """Keeps one process running per command line.

    Args:
        commands: one per worker; workers are numbered from 0 in this order.
        stop_s: what the processes may take to end after SIGTERM, seconds; then SIGKILL.
        say: told an event and its fields.
    """

    def __init__(self, commands: Sequence[Sequence[str]], stop_s: float, say: Say) -> None:
        self._workers = [_Worker(number, argv) for number, argv in enumerate(commands)]
        self._stop_s = stop_s
        self._say = say
        self._asked = threading.Event()

    def run(self) -> None:
        """Run until SIGTERM or SIGINT; on return no process is left. Only on the main thread.

        Raises:
            PartFailed: a worker died quickly several times in a row.
            InputError: a worker ended because something has to be corrected.
        """
        with self._signals():
            try:
                while not self._asked.is_set():
                    for worker in self._workers:
                        self._look_after(worker)
                    self._asked.wait(_POLL_S)
            finally:
                self._end()

    def _look_after(self, worker: _Worker) -> None:
        if worker.process is None:
            if time.monotonic() >= worker.due:
                worker.start()
                self._say("worker starts", {"worker": worker.number, "pid": self._pid(worker)})
            return
        code = worker.process.poll()
        if code is None:
            return
        _close(worker)
        if code == _TO_CORRECT:
            raise InputError(f"Worker {worker.number} has something to correct.", "It said what, above.")
        pause_s = worker.policy.pause_after(worker.lived_s())
        if pause_s is None:
            raise PartFailed(
                f"Worker {worker.number} ended {_QUICK_DEATHS} times in a row soon after its start, last with {code}.",
                "Its log lines above say why.",
            )
        self._say("worker ended", {"worker": worker.number, "exit_code": code, "starts_again_in_s": pause_s})
        worker.due = time.monotonic() + pause_s

    def _end(self) -> None:
        alive = [worker for worker in self._workers if worker.process is not None and worker.process.poll() is None]
        for worker in alive:
            if worker.process is not None:
                worker.process.terminate()
        deadline, killed = Deadline.after(self._stop_s), []
        for worker in alive:
            if worker.process is None:
                continue
            try:
                worker.process.wait(deadline.remaining())
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
                killed.append(worker.number)
            _close(worker)
        if killed:
            self._say("workers were killed", {"workers": killed, "after_s": self._stop_s})

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def asked(_number: int, _frame: FrameType | None) -> None:
            self._asked.set()

        before = {number: signal.signal(number, asked) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @staticmethod
    def _pid(worker: _Worker) -> int | None:
        return None if worker.process is None else worker.process.pid


def _close(worker: _Worker) -> None:
    if worker.process is not None and worker.process.stdin is not None:
        worker.process.stdin.close()
    worker.process = None
