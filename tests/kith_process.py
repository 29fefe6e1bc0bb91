"""`kith` as its users run it: a process, given its settings by environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
from pydantic import SecretStr

from kith.settings import ENV_PREFIX, Settings

ROOT = Path(__file__).resolve().parent.parent


def command(settings: Settings | dict[str, str], *arguments: str) -> list[str]:
    """The whole command line, settings that differ from their defaults included."""
    given = settings if isinstance(settings, dict) else _given(settings)
    variables = [f"{name}={value}" for name, value in given.items()]
    return ["/usr/bin/env", *variables, sys.executable, "-m", "kith", *arguments]


def run(
    settings: Settings | dict[str, str], *arguments: str, cwd: Path = ROOT, timeout_s: float = 120.0
) -> subprocess.CompletedProcess[str]:
    """Run to the end."""
    return subprocess.run(
        command(settings, *arguments), capture_output=True, text=True, check=False, cwd=cwd, timeout=timeout_s
    )


def one_line_error(done: subprocess.CompletedProcess[str]) -> str:
    """What a failed command said: one line that begins with `kith:`, and no traceback anywhere."""
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("kith: ")]
    assert len(said) == 1, done.stderr
    return said[0]


def children_of(state_dir: Path) -> list[int]:
    """Processes whose command line or open data names the state folder."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(state_dir) in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process.info["pid"])
    return found


def _given(settings: Settings) -> dict[str, str]:
    given = {}
    for name in settings.model_fields_set:
        value = getattr(settings, name)
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        given[ENV_PREFIX + name.upper()] = str(plain)
    return given
