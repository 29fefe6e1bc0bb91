"""How long a micro-batch takes by its size, learnt as they go. Pure."""

from __future__ import annotations

import math

# Weight of what was learnt before, at each micro-batch: about the last ten count.
_KEPT = 0.9
# Sizes that hardly differ (their variance, requests squared) say nothing of the cost of one more request: then half of
# the time is taken for it.
_LEAST_SPREAD, _GUESS = 1.0, 0.5
# A slower one than was foretold is believed at once, by this share of the difference; but one that took many times as
# long was held up, and counts as one that took so many.
_SLOWER, _HELD_UP = 0.5, 2.0


class BatchTime:
    """A micro-batch takes some time whatever its size, and some more for each request.

    Least squares with weights that fade, where the spread of the sizes is wide; a guess where it is not.
    """

    def __init__(self) -> None:
        self._weight = self._size = self._took = self._size_2 = self._size_took = 0.0
        self._excess = 0.0

    def learn(self, requests: int, took_ms: float) -> None:
        """A micro-batch of so many requests took so long."""
        excess = 0.0
        if self._weight:
            took_ms = min(took_ms, _HELD_UP * self.foretold_ms(requests))
            excess = took_ms - self._line(requests)
        self._weight = _KEPT * self._weight + 1
        self._size = _KEPT * self._size + requests
        self._took = _KEPT * self._took + took_ms
        self._size_2 = _KEPT * self._size_2 + requests**2
        self._size_took = _KEPT * self._size_took + requests * took_ms
        self._excess = max(_KEPT * self._excess, _SLOWER * excess)

    def foretold_ms(self, requests: int) -> float:
        """How long one of so many requests may take, milliseconds; 0 before anything was learnt."""
        return self._line(requests) + self._excess if self._weight else 0.0

    def most_within(self, ms: float) -> float:
        """Most requests that are done in so long; where that is too short anyway, as many as double the least time."""
        if not self._weight:
            return math.inf
        fixed, each = self._parts()
        return max(ms - fixed, fixed) / each if each > 0 else math.inf

    def _line(self, requests: int) -> float:
        fixed, each = self._parts()
        return fixed + each * requests

    def _parts(self) -> tuple[float, float]:
        """The time whatever the size, and for each request, milliseconds."""
        size, took = self._size / self._weight, self._took / self._weight
        if not size:
            return took, 0.0
        spread = max(0.0, self._size_2 / self._weight - size**2)
        together = self._size_took / self._weight - size * took
        each = (together + _LEAST_SPREAD * _GUESS * took / size) / (spread + _LEAST_SPREAD)
        each = min(max(0.0, each), took / size)
        return took - each * size, each
