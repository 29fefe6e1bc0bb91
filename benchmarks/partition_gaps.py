"""How long partitions stood still: the pauses between the outcomes of their records. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Told:
    """An outcome: of a record of which partition, when it had come and when it was settled, milliseconds."""

    partition: int
    came_at: int
    settled_at: int


def longest_stalls(told: Iterable[Told], begin: int, end: int) -> dict[int, int]:
    """By partition, the longest time within which records waited and none was settled, milliseconds.

    A pause in which nothing had come is no stall: it is counted from the moment from which a record waited.

    Args:
        begin, end: what was settled before the one is left out, and so is what was settled after the other.
    """
    by_partition: dict[int, list[Told]] = {}
    for one in told:
        by_partition.setdefault(one.partition, []).append(one)
    return {number: _longest(some, begin, end) for number, some in sorted(by_partition.items())}


def _longest(told: list[Told], begin: int, end: int) -> int:
    ordered = sorted(told, key=lambda one: one.settled_at)
    within = [(last, one) for last, one in pairwise(ordered) if one.settled_at >= begin and last.settled_at <= end]
    return max((one.settled_at - max(last.settled_at, one.came_at) for last, one in within), default=0)


def summary(stalls: Mapping[int, int]) -> dict[str, float]:
    """The longest of all partitions and of the luckiest one, seconds."""
    return {"longest_s": round(max(stalls.values()) / 1000, 2), "shortest_s": round(min(stalls.values()) / 1000, 2)}
