"""What stands beside every figure: machine, versions, command."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version
from pathlib import Path

import psutil


def measured_with(*distributions: str) -> dict[str, object]:
    """Where, with what and by which command a figure was measured.

    Args:
        distributions: installed distributions whose versions matter to the figure.
    """
    return {
        "machine": f"{_cpu_name()}, {psutil.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB",
        "versions": {"Python": platform.python_version()} | {name: version(name) for name in distributions},
        "command": f"python -m {_module_name()} {' '.join(sys.argv[1:])}".rstrip(),
    }


def describe(*distributions: str) -> str:
    """The same, as lines for people."""
    with_what = measured_with(*distributions)
    versions = with_what["versions"]
    told = ", ".join(f"{name} {number}" for name, number in versions.items()) if isinstance(versions, dict) else ""
    return f"machine:  {with_what['machine']}\nversions: {told}\ncommand:  {with_what['command']}"


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _module_name() -> str:
    spec = sys.modules["__main__"].__spec__
    return spec.name if spec else Path(sys.argv[0]).name
