import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from kith.deadline import Deadline
from kith.errors import PartFailed
from kith.services.process import Child, ProcessTable, stop, telling_line, wait_ready

_WAITS = "import signal; print('up', flush=True); signal.pause()"
_IGNORES_SIGTERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {_WAITS}"


class Children:
    """Starts Python one-liners as children of one state folder, and remembers them for the end of the test."""

    def __init__(self, state_dir: Path) -> None:
        self.table = ProcessTable(state_dir)
        self.started: list[Child] = []

    def start(self, code: str, name: str = "part") -> Child:
        self.started.append(self.table.start(name, [sys.executable, "-c", code]))
        return self.started[-1]

    def start_and_wait(self, code: str, name: str = "part") -> Child:
        child = self.start(code, name)
        wait_ready(child, lambda: Path(child.log_file).read_text().endswith("up\n"), Deadline.after(10))
        return child


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    own = Children(tmp_path)
    yield own
    for child in own.started:
        stop(child, Deadline.after(0))
    assert not [child for child in own.started if psutil.pid_exists(child.pid)]


def test_child_runs_in_a_session_of_its_own_and_is_found_by_another_command(children, tmp_path):
    child = children.start_and_wait(_WAITS)
    assert os.getsid(child.pid) == child.pid
    assert ProcessTable(tmp_path).find("part") == child
    assert child.alive()


def test_child_that_dies_is_told_with_its_name_log_and_reason(children):
    child = children.start("print('starting'); raise SystemExit('Error: no room on the device')")
    with pytest.raises(PartFailed) as failed:
        wait_ready(child, lambda: False, Deadline.after(10))
    assert failed.value.message == "part ended while starting: Error: no room on the device"
    assert child.log_file in failed.value.hint


def test_reason_is_never_taken_from_an_earlier_run(children):
    first = children.start("raise SystemExit('Error: of yesterday')")
    with pytest.raises(PartFailed, match="yesterday"):
        wait_ready(first, lambda: False, Deadline.after(10))
    second = children.start("print('good bye')")
    with pytest.raises(PartFailed, match="good bye"):
        wait_ready(second, lambda: False, Deadline.after(10))


def test_reason_is_found_above_a_java_stack_trace(children):
    trace = "INFO up\njava.net.BindException: Address already in use\n\tat a.b(C.java)\n\t... 12 more\n"
    child = children.start(f"print({trace!r}); raise SystemExit(1)")
    with pytest.raises(PartFailed, match=r"ended while starting: java\.net\.BindException: Address already in use"):
        wait_ready(child, lambda: False, Deadline.after(10))


def test_silent_death_is_said_as_such(children):
    child = children.start("raise SystemExit(3)")
    with pytest.raises(PartFailed, match="it said nothing"):
        wait_ready(child, lambda: False, Deadline.after(10))


def test_child_that_never_gets_ready_is_told_at_the_deadline_and_keeps_running(children):
    child = children.start_and_wait(_WAITS)
    with pytest.raises(PartFailed, match="part is not ready in time"):
        wait_ready(child, lambda: False, Deadline.after(0.1))
    assert child.alive()


def test_stop_ends_a_child_and_may_be_repeated(children):
    child = children.start_and_wait(_WAITS)
    stop(child, Deadline.after(10))
    assert not child.alive()
    stop(child, Deadline.after(10))


def test_child_that_ignores_sigterm_is_killed_at_the_deadline(children):
    child = children.start_and_wait(_IGNORES_SIGTERM)
    stop(child, Deadline.after(0.1))
    assert not psutil.pid_exists(child.pid)


def test_process_that_merely_got_the_same_id_is_left_alone(children):
    stranger = children.start_and_wait(_WAITS)
    recorded = replace(stranger, created=stranger.created - 3600)
    assert not recorded.alive()
    stop(recorded, Deadline.after(0))
    assert stranger.alive()


def test_program_that_is_missing_is_told(tmp_path):
    with pytest.raises(PartFailed, match="part cannot be started"):
        ProcessTable(tmp_path).start("part", [str(tmp_path / "no-such-program")])


def test_unknown_name_is_not_found(tmp_path):
    assert ProcessTable(tmp_path).find("part") is None


def test_log_that_was_removed_has_no_telling_line(children):
    child = children.start_and_wait(_WAITS)
    Path(child.log_file).unlink()
    assert telling_line(child) == "it said nothing."
