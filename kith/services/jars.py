"""The Java parts: found on the machine, or fetched once by Maven into the parts folder."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from kith.errors import MissingTool, PartFailed
from kith.services.state_files import only_one

_OPS = Path(__file__).resolve().parents[2] / "ops"
_LEAST_JAVA = 17
_OTHER_WAY = "The other way is `docker compose up`."

Say = Callable[[str], None]


def require_java() -> str:
    """Path of the Java runtime.

    Raises:
        MissingTool: there is none, or it is older than 17.
    """
    java = shutil.which("java")
    if java is None:
        raise MissingTool(f"Java {_LEAST_JAVA} or newer is not installed.", f"{_install()} {_OTHER_WAY}")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)  # noqa: S603 - a fixed call
    found = re.search(r'version "(\d+)', said.stderr)
    if found is None:
        raise MissingTool(f"{java} does not say which Java it is.", f"{_install()} {_OTHER_WAY}")
    if int(found.group(1)) < _LEAST_JAVA:
        raise MissingTool(f"{java} is too old: Java {_LEAST_JAVA} or newer is needed.", f"{_install()} {_OTHER_WAY}")
    return java


def require_maven() -> str:
    """Path of Maven.

    Raises:
        MissingTool: there is none.
    """
    maven = shutil.which("mvn")
    if maven is None:
        raise MissingTool(
            "Maven, which fetches Kafka and the registry once, is not installed.",
            f"Install it (Debian: apt-get install maven; macOS: brew install maven). {_OTHER_WAY}",
        )
    return maven


def kafka_jars(parts_dir: Path, say: Say) -> Path:
    """Folder with the jars of the broker; fetched the first time.

    Raises:
        MissingTool: Maven is needed and not installed.
        PartFailed: the jars cannot be fetched.
    """
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime"]
    return _fetched(parts_dir, "kafka", goal, say)


def registry_jars(parts_dir: Path, say: Say) -> Path:
    """Folder with the unpacked registry; fetched the first time. Raises as `kafka_jars`."""
    return _fetched(parts_dir, "registry", ["dependency:unpack@registry"], say)


def version(part: str) -> str:
    """Version that `ops/<part>/pom.xml` pins."""
    found = re.search(rf"<{part}\.version>([^<]+)<", _pom(part).read_text())
    if found is None:
        raise PartFailed(f"{_pom(part)} names no {part}.version.")
    return found.group(1)


def _fetched(parts_dir: Path, part: str, goal: list[str], say: Say) -> Path:
    target = parts_dir / f"{part}-{version(part)}"
    if target.is_dir():
        return target
    what = f"{part} {version(part)}"
    with only_one(parts_dir / f"{part}.lock", lambda: say(f"waiting for another command that fetches {what}")):
        if not target.is_dir():
            say(f"fetching {what} (once, into {parts_dir})")
            _fetch(part, goal, target)
    return target


def _fetch(part: str, goal: list[str], target: Path) -> None:
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    command = [require_maven(), "-q", "-B", "-f", str(_pom(part)), *goal, f"-DoutputDirectory={partial}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the arguments are ours
    if done.returncode or not any(partial.rglob("*.jar")):
        lines = [line.removeprefix("[ERROR] ") for line in done.stdout.splitlines() if line.startswith("[ERROR]")]
        raise PartFailed(
            f"Maven could not fetch {part}: {lines[0][:300] if lines else 'it said nothing'}",
            f"Check the network and Maven's settings. {_OTHER_WAY}",
        )
    partial.rename(target)


def _pom(part: str) -> Path:
    pom = _OPS / part / "pom.xml"
    if not pom.is_file():
        raise PartFailed(f"{pom} is missing: local parts are started from a source checkout.", _OTHER_WAY)
    return pom


def _install() -> str:
    return "Install it, and Maven (Debian: apt-get install openjdk-17-jre-headless maven; macOS: brew install maven)."
