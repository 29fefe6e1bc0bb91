"""Random choices that come out the same on every machine."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

_T = TypeVar("_T")

_UNIFORMS_PER_NORMAL = 12
_SERIES_TERMS = 24


class Draw:
    """One stream of choices.

    Only `Random.random` is used, whose sequence for a seed is promised to stay, and plain arithmetic: the other draws
    of Python and the C library's `exp` may differ between versions and machines.

    Args:
        seed: any text; the same text gives the same stream.
    """

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed).random

    def below(self, bound: int) -> int:
        """A whole number from 0 to bound - 1."""
        return int(self._random() * bound)

    def between(self, least: int, most: int) -> int:
        """A whole number from least to most."""
        return least + self.below(most - least + 1)

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self._random() < probability

    def pick(self, items: Sequence[_T]) -> _T:
        """One of the items, each as likely as the others."""
        return items[self.below(len(items))]

    def weighted(self, weights: Mapping[_T, float]) -> _T:
        """One of the keys, as likely as its weight."""
        left = self._random() * sum(weights.values())
        for key, weight in weights.items():
            left -= weight
            if left < 0:
                return key
        return next(reversed(list(weights)))

    def shuffled(self, items: Sequence[_T]) -> list[_T]:
        """The items in random order."""
        rest = list(items)
        for i in range(len(rest) - 1, 0, -1):
            j = self.below(i + 1)
            rest[i], rest[j] = rest[j], rest[i]
        return rest

    def sample(self, items: Sequence[_T], count: int) -> list[_T]:
        """So many different items, all of them when there are no more."""
        return self.shuffled(items)[:count]

    def lognormal(self, median: float, sigma: float) -> float:
        """A lognormal number; the normal behind it is a sum of twelve uniforms, so within 6 sigma."""
        normal = sum(self._random() for _ in range(_UNIFORMS_PER_NORMAL)) - _UNIFORMS_PER_NORMAL / 2
        return median * _exp(sigma * normal)


def cycle(items: Sequence[_T]) -> Iterator[_T]:
    """The items again and again.

    Raises:
        ValueError: there are none.
    """
    if not items:
        raise ValueError("nothing to cycle through")
    while True:
        yield from items


def _exp(x: float) -> float:
    total = term = 1.0
    for i in range(1, _SERIES_TERMS):
        term *= x / i
        total += term
    return total
