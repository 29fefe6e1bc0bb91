"""How much of the machine went to processes that are none of a measurement's own: what a figure has to be read with."""

from __future__ import annotations

import time
from contextlib import suppress

import psutil


class Others:
    """Cores that others take from now on: what the machine was busy with, less this process and all that it started."""

    def __init__(self) -> None:
        self._began, self._busy, self._ours = time.monotonic(), _busy_s(), ours_s()

    def cores(self) -> float:
        """Mean since it was made; not below 0."""
        others = (_busy_s() - self._busy) - (ours_s() - self._ours)
        return round(max(0.0, others / (time.monotonic() - self._began)), 2)


def _busy_s() -> float:
    """Processor seconds of the machine that were not idle."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


def ours_s() -> float:
    """Processor seconds so far of this process and of each that it started; one that ended is in its parent's."""
    seconds = 0.0
    for process in (own := psutil.Process(), *own.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds
