"""How many heaps the C library's allocator gives to the threads of a process."""

from __future__ import annotations

import ctypes

# From glibc's malloc.h; see mallopt(3).
_M_ARENA_MAX = -8


def bound_heaps(count: int) -> bool:
    """Let threads share so many heaps, those that are there already included; glibc's own bound is eight a core.

    Each heap keeps what its busiest moment took, so that many of them grow on and on though nothing leaks
    (benchmarks/results.md, a million events).

    Returns:
        Whether the C library has such a bound; others are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_M_ARENA_MAX, count))
