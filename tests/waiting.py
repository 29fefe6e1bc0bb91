"""Waiting for a condition, with a deadline, and saying what was seen when it passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from kith.deadline import Deadline
from kith.services.process import pause

_SeenT = TypeVar("_SeenT")


def wait_until(look: Callable[[], _SeenT], good: Callable[[_SeenT], bool], timeout_s: float = 60.0) -> _SeenT:
    """Look until what is seen is good, and return it."""
    deadline = Deadline.after(timeout_s)
    while not good(seen := look()):
        assert not deadline.expired(), f"still {seen!r} after {timeout_s:g} s"
        pause(0.1)
    return seen
