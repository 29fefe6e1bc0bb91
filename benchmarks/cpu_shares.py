"""What processes take of the processors between two moments, in cores: 1.0 is one core the whole time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil

# Of a process, the threads that are told apart: the one it began with, and the busiest of the others.
_BUSIEST = 2


@dataclass(frozen=True, slots=True)
class Moment:
    """CPU seconds so far: of each part, and of each thread of the process that is looked into.

    Attributes:
        at: monotonic seconds.
        main: id of the thread that the process began with.
    """

    at: float
    parts: dict[str, float]
    threads: dict[int, float]
    main: int


def look(parts: Mapping[str, Sequence[psutil.Process]], inside: psutil.Process) -> Moment:
    """CPU seconds of parts, and of the threads of one process, which must be running."""
    taken = {name: sum(map(_seconds, processes)) for name, processes in parts.items()}
    threads = {one.id: one.user_time + one.system_time for one in inside.threads()}
    return Moment(time.monotonic(), taken, threads, inside.pid)


def cores(before: Moment, after: Moment) -> dict[str, float]:
    """Cores of each part between two moments, and of the threads inside: the first, two busiest others, the rest."""
    seconds = after.at - before.at
    found = {name: (after.parts[name] - taken) / seconds for name, taken in before.parts.items() if name in after.parts}
    grown = {one: taken - before.threads.get(one, 0.0) for one, taken in after.threads.items()}
    main = grown.pop(after.main, 0.0)
    others = sorted(grown.values(), reverse=True)
    inside = {
        "first thread": main,
        "two busiest others": sum(others[:_BUSIEST]),
        "other threads": sum(others[_BUSIEST:]),
    }
    return found | {name: taken / seconds for name, taken in inside.items()}


def _seconds(process: psutil.Process) -> float:
    try:
        used = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(used.user + used.system)
