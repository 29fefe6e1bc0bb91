"""Cases timed in turn, by the wall and by the processor, each on as many cores as it is given."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from threading import Event

_THREADS = Path("/proc/self/task")
# Threads of the case before may spin for some milliseconds after it, on the cores of the next one.
_REST_S = 0.1


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that is timed.

    Attributes:
        texts, tokens: how many it embeds; tokens of them all, without padding.
        cores: that all threads of the process are kept on meanwhile, where the system lets; 0 leaves them free.
    """

    name: str
    run: Callable[[], object]
    texts: int
    tokens: int
    cores: int = 0


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds of one case, one entry a round."""

    wall: list[float]
    cpu: list[float]

    def rate(self, texts: int) -> float:
        """Texts a second of CPU time, median."""
        return texts / median(self.cpu)

    def wall_rate(self, texts: int) -> float:
        """Texts a second by the wall, median."""
        return texts / median(self.wall)

    def spread(self, texts: int) -> str:
        """Slowest and fastest round, texts a second by the wall."""
        return f"({texts / max(self.wall):.1f}-{texts / min(self.wall):.1f})"


def measure(cases: Sequence[Case], rounds: int) -> dict[str, Taken]:
    """Every case once a round, so that what disturbs the machine disturbs all alike; one round more to warm up."""
    taken = {case.name: Taken([], []) for case in cases}
    for case in cases:
        _keep_on(case.cores)
        case.run()
    for _ in range(rounds):
        for case in cases:
            _keep_on(case.cores)
            Event().wait(_REST_S)
            wall, cpu = time.perf_counter(), time.process_time()
            case.run()
            taken[case.name].cpu.append(time.process_time() - cpu)
            taken[case.name].wall.append(time.perf_counter() - wall)
    _keep_on(0)
    return taken


def _keep_on(cores: int) -> None:
    """Keep every thread there is, tokenizers' and models' pools included, on the first cores; 0: on all."""
    if not _THREADS.is_dir():
        return
    chosen = _cores()[: cores or None]
    for thread in _THREADS.iterdir():
        with suppress(ProcessLookupError):  # it may end while we look
            os.sched_setaffinity(int(thread.name), chosen)


@cache
def _cores() -> tuple[int, ...]:
    return tuple(sorted(os.sched_getaffinity(0)))
