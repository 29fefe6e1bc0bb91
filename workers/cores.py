"""How many processors this process may use."""

from __future__ import annotations

import os
from pathlib import Path

# Control groups, version 2: microseconds of processor time that each period of as many may take.
_CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")


def available_cores() -> int:
    """Processors that the system lets this process run on, and that its container's limit pays for; at least 1."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = cgroup_cores(_CGROUP_LIMIT.read_text()) if _CGROUP_LIMIT.is_file() else None
    return allowed if limit is None else min(allowed, limit)


def cgroup_cores(limit: str) -> int | None:
    """Whole processors of a `cpu.max`, at least 1; None where it says no limit.

    Format: https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
    """
    quota, _, period = limit.strip().partition(" ")
    return None if quota == "max" else max(1, int(quota) // int(period))
