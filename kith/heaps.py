"""What the memory of a long-running process costs it: heaps of the C library, and Python's search for cycles."""

from __future__ import annotations

import ctypes
import gc

# From glibc's malloc.h; see mallopt(3).
_M_ARENA_MAX = -8

# New objects between two searches, and searches between two that look further back. Python has 700 and 10: a batch
# alone makes that many, and frees them without being searched.
_BETWEEN_SEARCHES = (50_000, 20, 20)


def bound_heaps(count: int) -> bool:
    """Let threads share so many heaps, those that are there already included; glibc's own bound is eight a core.

    Each heap keeps what its busiest moment took, so that many of them grow on and on though nothing leaks
    (benchmarks/results.md, a million events).

    Returns:
        Whether the C library has such a bound; others are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_M_ARENA_MAX, count))


def search_less() -> None:
    """Take what is there now for what stays, and search the rest for cycles less often; for when a start is over.

    A search through all that the libraries hold takes 70 ms in which every thread stands still; under load it came
    three times in ten seconds (docs/decisions/0020-python-for-a-change.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_BETWEEN_SEARCHES)
