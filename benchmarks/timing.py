"""Cases timed in turn, by the wall and by the processor."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that is timed. `texts`: how many it embeds; `tokens`: of them all, without padding."""

    name: str
    run: Callable[[], object]
    texts: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds of one case, one entry a round."""

    wall: list[float]
    cpu: list[float]

    def rate(self, texts: int) -> float:
        """Texts a second of CPU time, median."""
        return texts / median(self.cpu)

    def spread(self, texts: int) -> str:
        """Slowest and fastest round, texts a second of CPU time."""
        return f"({texts / max(self.cpu):.1f}-{texts / min(self.cpu):.1f})"


def measure(cases: Sequence[Case], rounds: int) -> dict[str, Taken]:
    """Every case once a round, so that what disturbs the machine disturbs all alike; one round more to warm up."""
    taken = {case.name: Taken([], []) for case in cases}
    for case in cases:
        case.run()
    for _ in range(rounds):
        for case in cases:
            wall, cpu = time.perf_counter(), time.process_time()
            case.run()
            taken[case.name].cpu.append(time.process_time() - cpu)
            taken[case.name].wall.append(time.perf_counter() - wall)
    return taken
