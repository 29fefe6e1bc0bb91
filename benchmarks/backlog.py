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
# Worked between two standstills: short beside the minutes in which a shared machine gets faster or slower.
_STRETCH_S = 2.0
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


def middle(stretches: Sequence[Sequence[Sample]], total: int) -> WorkedOff:
    """The rate between the first sample at a tenth of the rows and the first at nine tenths.

    Args:
        stretches: samples; between two stretches the consumer stood still, and nothing of that time counts.

    Raises:
        ValueError: both are the same sample: there were too few.
    """
    samples = [one for stretch in stretches for one in stretch]
    first = next(one for one in samples if one.rows >= BEGIN * total)
    last = next(one for one in samples if one.rows >= END * total)
    if last is first:
        raise ValueError(f"{total} profiles are too few: no two samples lie between the first and the last tenth.")
    begin, end = first.moment.at, last.moment.at
    within = [[one.moment for one in stretch if begin <= one.moment.at <= end] for stretch in stretches]
    worked = [(one[-1].at - one[0].at, cores(one[0], one[-1])) for one in within if one and one[-1].at > one[0].at]
    seconds = sum(took for took, _cores in worked)
    taken = {part: sum(took * shares[part] for took, shares in worked) / seconds for part in worked[0][1]}
    return WorkedOff((last.rows - first.rows) / seconds, taken)


@dataclass(frozen=True, slots=True)
class Watched:
    """A collection that fills.

    Attributes:
        between: done again and again while the consumer stands still, with the rows there are by then.
    """

    one: Installation
    index: MilvusIndex
    collection: str
    between: Callable[[int], None] | None = None

    def until(self, total: int, start: Callable[[], subprocess.Popen[bytes]], most_s: float) -> WorkedOff:
        """Start a consumer, and sample until the collection holds so many rows.

        Raises:
            RuntimeError: the consumer ended, or took longer than `most_s`.
        """
        process = start()
        inside, deadline = psutil.Process(process.pid), Deadline.after(most_s)
        stretches: list[list[Sample]] = [[]]
        while True:
            if process.poll() is not None:
                raise RuntimeError(f"it ended with {process.returncode}")
            stretches[-1].append(newest := self._sample(inside))
            if newest.rows >= total:
                return middle(stretches, total)
            if deadline.expired():
                raise RuntimeError(f"{newest.rows} of {total} profiles after {most_s:.0f} s")
            pause(max(0.0, _EVERY_S - (time.monotonic() - newest.moment.at)))
            if self.between and newest.rows and newest.moment.at - stretches[-1][0].moment.at > _STRETCH_S:
                stretches.append([self._standstill(inside, stretches[-1], self.between)])

    def _sample(self, inside: psutil.Process) -> Sample:
        moment = self._look(inside)
        return Sample(self.index.count(self.collection, _COUNT_S), moment)

    def _look(self, inside: psutil.Process) -> Moment:
        return look(self.one.processes() | {"consumer": [inside, *inside.children(recursive=True)]}, inside)

    def _standstill(self, inside: psutil.Process, stretch: list[Sample], between: Callable[[int], None]) -> Sample:
        """End a stretch with a sample, and return the first one of the next."""
        inside.suspend()
        try:
            stretch.append(self._sample(inside))
            between(stretch[-1].rows)
            return Sample(stretch[-1].rows, self._look(inside))
        finally:
            inside.resume()
