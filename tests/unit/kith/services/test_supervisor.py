"""Processes that are kept running: real ones, of a few lines."""

import os
import signal
import sys
import threading

import psutil
import pytest

from kith.errors import InputError, PartFailed
from kith.services import supervisor
from kith.services.supervisor import RestartPolicy, Supervisor

WAITS = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = [sys.executable, "-c", "import signal,time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"]


def ends_with(code: int) -> list[str]:
    return [sys.executable, "-c", f"raise SystemExit({code})"]


class Heard:
    """What a supervisor said; calls `react` with each event."""

    def __init__(self, react=lambda _event, _fields: None):
        self.events, self.pids, self._react = [], [], react

    def __call__(self, event, fields):
        self.events.append((event, fields.get("worker")))
        self.pids += [fields["pid"]] if "pid" in fields else []
        self._react(event, fields)

    def all_gone(self):
        return not any(psutil.pid_exists(pid) for pid in self.pids)


def test_pauses_grow_and_quick_deaths_end_it():
    policy = RestartPolicy()
    assert [policy.pause_after(1.0) for _ in range(5)] == [0.5, 1.0, 2.0, 4.0, None]


def test_a_long_life_is_forgiven():
    policy = RestartPolicy()
    for _ in range(20):
        assert policy.pause_after(3600.0) == 0.5
    assert policy.pause_after(1.0) == 1.0


def test_a_killed_worker_is_started_again_and_a_signal_ends_all():
    starts = 0

    def react(event, fields):
        nonlocal starts
        if event == "worker starts":
            starts += 1
            if starts == 2:
                os.kill(fields["pid"], signal.SIGKILL)
            if starts == 3:
                os.kill(os.getpid(), signal.SIGTERM)

    heard = Heard(react)
    Supervisor([WAITS, WAITS], 10.0, heard).run()
    assert heard.events == [("worker starts", 0), ("worker starts", 1), ("worker ended", 1), ("worker starts", 1)]
    assert heard.all_gone()


def test_a_worker_that_keeps_dying_ends_the_others_too(monkeypatch):
    monkeypatch.setattr(supervisor, "_FIRST_PAUSE_S", 0.01)
    heard = Heard()
    with pytest.raises(PartFailed, match="Worker 1 ended 5 times in a row"):
        Supervisor([WAITS, ends_with(3)], 10.0, heard).run()
    assert heard.events.count(("worker starts", 1)) == 5
    assert heard.all_gone()


def test_what_has_to_be_corrected_is_not_tried_again():
    heard = Heard()
    with pytest.raises(InputError, match="Worker 0"):
        Supervisor([ends_with(2)], 10.0, heard).run()
    assert heard.events == [("worker starts", 0)]


def test_a_worker_that_does_not_end_is_killed():
    heard = Heard()
    timer = threading.Timer(1.0, os.kill, [os.getpid(), signal.SIGTERM])
    timer.start()
    Supervisor([STUBBORN], 0.2, heard).run()
    timer.join()
    assert heard.events[-1][0] == "workers were killed"
    assert heard.all_gone()
