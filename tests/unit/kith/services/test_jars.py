import threading
from pathlib import Path

import pytest

from kith.errors import MissingTool, PartFailed
from kith.services import jars

# Stands for Maven: counts its calls, and puts one jar where it is told to.
_FETCHES = """\
echo call >> {calls}
for word in "$@"; do case "$word" in -DoutputDirectory=*) out="${{word#*=}}";; esac; done
mkdir -p "$out" && : > "$out/part.jar"
"""
_FAILS = "echo '[INFO] resolving'; echo '[ERROR] Could not resolve kafka: no route to host'; exit 1\n"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that are found before those of the machine."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def _program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(0o755)


def _nothing(_line: str) -> None:
    pass


@pytest.mark.parametrize("missing", [jars.require_java, jars.require_maven])
def test_missing_tool_says_what_to_install_and_names_the_other_way(missing, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingTool) as failed:
        missing()
    assert "apt-get install" in failed.value.hint
    assert "docker compose up" in failed.value.hint
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize("said", ["1.8.0_392", "11.0.21"])
def test_java_that_is_too_old_is_refused(programs, said):
    _program(programs, "java", f"echo 'openjdk version \"{said}\"' >&2\n")
    with pytest.raises(MissingTool, match="too old: Java 17 or newer"):
        jars.require_java()


def test_java_of_today_is_taken(programs):
    _program(programs, "java", "echo 'openjdk version \"21.0.2\" 2024-01-16' >&2\n")
    assert jars.require_java() == str(programs / "java")


def test_jars_are_fetched_once_and_said_once(programs, tmp_path):
    calls = tmp_path / "calls"
    _program(programs, "mvn", _FETCHES.format(calls=calls))
    said: list[str] = []
    first = jars.kafka_jars(tmp_path / "parts", said.append)
    assert jars.kafka_jars(tmp_path / "parts", said.append) == first
    assert [path.name for path in first.iterdir()] == ["part.jar"]
    assert calls.read_text().count("call") == 1
    assert len(said) == 1
    assert jars.version("kafka") in said[0]


def test_two_commands_at_once_fetch_once(programs, tmp_path):
    calls = tmp_path / "calls"
    _program(programs, "mvn", _FETCHES.format(calls=calls))
    threads = [threading.Thread(target=jars.registry_jars, args=(tmp_path / "parts", _nothing)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert calls.read_text().count("call") == 1


def test_fetch_that_fails_says_why_and_leaves_no_half_folder(programs, tmp_path):
    _program(programs, "mvn", _FAILS)
    with pytest.raises(PartFailed, match="Maven could not fetch kafka: Could not resolve kafka: no route to host"):
        jars.kafka_jars(tmp_path / "parts", _nothing)
    assert not [path for path in (tmp_path / "parts").iterdir() if path.is_dir()]


def test_fetch_is_tried_again_after_it_failed(programs, tmp_path):
    _program(programs, "mvn", _FAILS)
    with pytest.raises(PartFailed):
        jars.kafka_jars(tmp_path / "parts", _nothing)
    _program(programs, "mvn", _FETCHES.format(calls=tmp_path / "calls"))
    assert jars.kafka_jars(tmp_path / "parts", _nothing).is_dir()
