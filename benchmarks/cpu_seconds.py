"""CPU seconds and memory of processes, with what they started."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Sample:
    """What was done and what it took, until a moment.

    Attributes:
        at: monotonic seconds.
        done: records, requests or rows so far.
        cpu: CPU seconds so far, by part.
    """

    at: float
    done: int
    cpu: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Window:
    """Between two samples.

    Attributes:
        cpu_s: CPU seconds for one, by part.
    """

    done: int
    seconds: float
    cpu_s: Mapping[str, float]

    @property
    def per_s(self) -> float:
        """How many a second."""
        return self.done / self.seconds


def cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    """User and system time of processes that run; one that ended counts no more."""
    taken = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            used = process.cpu_times()
            taken += float(used.user + used.system)
    return taken


def resident_bytes(processes: Sequence[psutil.Process]) -> int:
    """Resident memory of processes."""
    return sum(int(process.memory_info().rss) for process in processes)


def with_children(pid: int) -> list[psutil.Process]:
    """A process and all below it."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


@contextmanager
def sampled(parts: Mapping[str, Sequence[psutil.Process]], done: Callable[[], int]) -> Iterator[list[Sample]]:
    """Samples of a block, ten a second, as far as `done` answers that often."""
    samples, ended = list[Sample](), threading.Event()

    def sample() -> None:
        while not ended.wait(_EVERY_S):
            taken = {name: cpu_seconds(processes) for name, processes in parts.items()}
            samples.append(Sample(time.monotonic(), done(), taken))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()


def between(samples: Sequence[Sample], first: float, last: float) -> Window:
    """What lies between the first samples at two counts: before and after, parts start, warm up, or run dry.

    Raises:
        ValueError: both are the same sample: there was too little to do.
    """
    begin = next(one for one in samples if one.done >= first)
    end = next(one for one in samples if one.done >= last)
    if begin is end:
        raise ValueError(f"No two samples lie between {first:.0f} and {last:.0f}.")
    done = end.done - begin.done
    return Window(done, end.at - begin.at, {name: (end.cpu[name] - begin.cpu[name]) / done for name in begin.cpu})


def longest_pause(samples: Sequence[Sample], since: float) -> float:
    """Seconds of the longest time without anything done, of what began after a moment (monotonic seconds)."""
    longest, last = 0.0, since
    for before, after in itertools.pairwise(samples):
        if after.at < since:
            continue
        if after.done > before.done:
            longest, last = max(longest, after.at - last), after.at
    return longest
