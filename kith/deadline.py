"""A wall-clock budget that is passed on, so that nested waits share one limit."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point in monotonic time.

    Attributes:
        at_s: `time.monotonic()` seconds at which the budget is spent.
    """

    at_s: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """A deadline `seconds` from now."""
        return cls(time.monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self.at_s - time.monotonic())

    def expired(self) -> bool:
        """Whether nothing is left."""
        return self.remaining() <= 0.0
