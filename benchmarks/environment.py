"""What stands beside every figure: machine, versions, command."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version
from pathlib import Path

import psutil


def describe(*distributions: str) -> str:
    """Lines that say where and with what a figure was measured.

    Args:
        distributions: installed distributions whose versions matter to the figure.
    """
    memory = psutil.virtual_memory().total / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in distributions)
    return "\n".join(
        (
            f"machine:  {_cpu_name()}, {psutil.cpu_count()} cores, {memory:.0f} GiB",
            f"versions: Python {platform.python_version()}, {versions}",
            f"command:  python -m {_module_name()} {' '.join(sys.argv[1:])}".rstrip(),
        )
    )


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
