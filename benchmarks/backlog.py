"""A backlog worked off by a consumer: rows of the index over time, and the rate of the middle of it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil

from benchmarks.cpu_shares import Moment, cores, look
from benchmarks.installation import Installation
from kith.deadline import Deadline
from kith.services.process import pause
from workers.milvus_index import MilvusIndex

# Before and after these shares a consumer starts, warms up, or waits for a last batch that does not fill.
BEGIN, END = 0.1, 0.9
_EVERY_S = 0.25
_COUNT_S = 10.0


@dataclass(frozen=True, slots=True)
class Sample:
    """How many profiles the index holds at a moment."""

    rows: int
    moment: Moment


@dataclass(frozen=True, slots=True)
class WorkedOff:
    """What a consumer did between the first and last tenth of a backlog.

    Attributes:
        per_s: changes a second.
        cores: by part and kind of thread.
    """

    per_s: float
    cores: dict[str, float]


def middle(samples: Sequence[Sample], total: int) -> WorkedOff:
    """The rate between the first sample at a tenth of the rows and the first at nine tenths.

    Raises:
        ValueError: both are the same sample: there were too few.
    """
    first = next(one for one in samples if one.rows >= BEGIN * total)
    last = next(one for one in samples if one.rows >= END * total)
    if last is first:
        raise ValueError(f"{total} profiles are too few: no two samples lie between the first and the last tenth.")
    seconds = last.moment.at - first.moment.at
    return WorkedOff((last.rows - first.rows) / seconds, cores(first.moment, last.moment))


@dataclass(frozen=True, slots=True)
class Watched:
    """A collection that fills."""

    one: Installation
    index: MilvusIndex
    collection: str

    def until(self, total: int, start: Callable[[], subprocess.Popen[bytes]], most_s: float) -> WorkedOff:
        """Start a consumer, and sample until the collection holds so many rows.

        Raises:
            RuntimeError: the consumer ended, or took longer than `most_s`.
        """
        process = start()
        inside, deadline = psutil.Process(process.pid), Deadline.after(most_s)
        parts = self.one.processes()
        samples: list[Sample] = []
        while not samples or samples[-1].rows < total:
            if process.poll() is not None:
                raise RuntimeError(f"it ended with {process.returncode}")
            if deadline.expired():
                raise RuntimeError(f"{samples[-1].rows} of {total} profiles after {most_s:.0f} s")
            whole = parts | {"consumer": [inside, *inside.children(recursive=True)]}
            moment = look(whole, inside)
            samples.append(Sample(self.index.count(self.collection, _COUNT_S), moment))
            pause(max(0.0, _EVERY_S - (time.monotonic() - moment.at)))
        return middle(samples, total)
