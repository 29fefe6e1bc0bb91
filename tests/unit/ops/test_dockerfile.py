"""ops/Dockerfile is checked as text; what it installs is checked by building the wheel."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from kith.settings import ENV_PREFIX, Settings

ROOT = Path(__file__).resolve().parents[3]
BASE = re.compile(r"python:3\.11\.\d+-slim-bookworm")

Instruction = tuple[str, str]


def instructions(text: str) -> list[Instruction]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines())]


def last_stage(found: list[Instruction]) -> list[Instruction]:
    start = max(position for position, (word, _) in enumerate(found) if word == "FROM")
    return found[start:]


def copied(found: list[Instruction]) -> list[str]:
    """Paths that come from the build context, without the slash at the end."""
    paths = []
    for word, rest in found:
        if word == "COPY" and "--from" not in rest:
            paths += [path.rstrip("/") for path in shlex.split(rest)[:-1]]
    return paths


# The rules: each says what breaks it, so that a test can show that it notices.


def base_not_pinned(found: list[Instruction]) -> list[str]:
    return [rest for word, rest in found if word == "FROM" and not BASE.fullmatch(rest.split()[0])]


def runs_as_root(found: list[Instruction]) -> list[str]:
    users = [rest for word, rest in last_stage(found) if word == "USER"]
    return [] if users and re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]) else [f"last user: {users[-1:]}"]


def installed_unchecked(found: list[Instruction]) -> list[str]:
    steps = [step for word, rest in found if word == "RUN" for step in rest.split("&&") if "pip install" in step]
    hashed = [step for step in steps if "--require-hashes" in step and "-r requirements/serve.txt" in step]
    local = [step for step in steps if "--no-deps" in step and "--no-index" in step]
    return [step for step in steps if step not in hashed + local] if hashed else ["no locked install"]


def built_in_the_last_stage(found: list[Instruction]) -> list[str]:
    tools = re.compile(r"\b(pip|apt-get|apt|gcc|make|curl)\b")
    return [rest for word, rest in last_stage(found) if word == "RUN" and tools.search(rest)]


def missing_sources(found: list[Instruction]) -> list[str]:
    return [path for path in copied(found) if not (ROOT / path).exists()]


def ignored_sources(found: list[Instruction]) -> list[str]:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line[1:].rstrip("/") for line in lines if line.startswith("!")}
    assert "*" in lines
    return [path for path in copied(found) if path not in allowed]


def unknown_settings(found: list[Instruction]) -> list[str]:
    known = {ENV_PREFIX + name.upper() for name in Settings.model_fields}
    named = {name for word, rest in found if word == "ENV" for name in re.findall(rf"\b{ENV_PREFIX}\w+(?==)", rest)}
    return sorted(named - known)


RULES: tuple[Callable[[list[Instruction]], list[str]], ...] = (
    base_not_pinned,
    runs_as_root,
    installed_unchecked,
    built_in_the_last_stage,
    missing_sources,
    ignored_sources,
    unknown_settings,
)


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return (ROOT / "ops" / "Dockerfile").read_text()


@pytest.mark.parametrize("rule", RULES)
def test_dockerfile_keeps_the_rule(dockerfile: str, rule: Callable[[list[Instruction]], list[str]]):
    assert rule(instructions(dockerfile)) == []


@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [
        (base_not_pinned, r"python:3\.11\.\d+-slim-bookworm AS serve", "python:latest AS serve"),
        (base_not_pinned, r"python:3\.11\.\d+-slim-bookworm AS serve", "python:3.11-slim-bookworm AS serve"),
        (runs_as_root, r"USER 10001:10001\n", ""),
        (runs_as_root, r"USER 10001:10001", "USER 0:0"),
        (installed_unchecked, r" --require-hashes", ""),
        (installed_unchecked, r"install --no-deps --no-index", "install"),
        (built_in_the_last_stage, r"WORKDIR /app", "RUN apt-get install -y gcc"),
        (missing_sources, r"COPY kith/ kith/", "COPY kiths/ kith/"),
        (ignored_sources, r"COPY kith/ kith/", "COPY tests/ tests/"),
        (unknown_settings, r"KITH_MODEL_DIR", "KITH_MODEL"),
    ],
)
def test_rule_notices(dockerfile: str, rule: Callable[[list[Instruction]], list[str]], old: str, new: str):
    broken, changes = re.subn(old, new, dockerfile)
    assert changes > 0
    assert rule(instructions(broken))


def test_last_stage_is_what_compose_asks_for(dockerfile: str):
    stage = last_stage(instructions(dockerfile))
    assert stage[0][1].endswith(" AS serve")
    assert [json.loads(rest) for word, rest in stage if word == "ENTRYPOINT"] == [["kith"]]
    environment = dict(
        pair.split("=", 1) for word, rest in stage if word == "ENV" for pair in shlex.split(rest) if "=" in pair
    )
    assert environment["PYTHONSAFEPATH"] == environment["PYTHONUNBUFFERED"] == "1"
    model_dir = environment["KITH_MODEL_DIR"]
    assert ("WORKDIR", "/app") in stage
    assert model_dir.removeprefix("/app/") in copied(stage)


def test_every_package_of_the_wheel_is_copied(dockerfile: str):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    needed = {*packages, project["project"]["readme"], *project["project"]["license-files"], "pyproject.toml"}
    assert needed <= set(copied(instructions(dockerfile)))


def test_every_locked_requirement_has_a_hash():
    lock = (ROOT / "requirements" / "serve.txt").read_text()
    entries = re.split(r"\n(?=\S)", lock.strip())
    assert entries
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
