"""The wheel is what the image installs: it has to carry the contracts and the taxonomy, and nothing of the tests."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory) -> set[str]:
    """Names of the files in the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    offline = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *offline, "--wheel-dir", folder, ROOT],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("kith-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def packages() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def test_wheel_carries_every_package_with_its_data(shipped: set[str]):
    kept = {".py", ".avsc", ".toml", ".tsv"}
    in_tree = {
        path.relative_to(ROOT).as_posix()
        for package in packages()
        for path in (ROOT / package).rglob("*")
        if path.suffix in kept
    }
    assert any(name.endswith(".avsc") for name in in_tree)
    assert any(name.endswith(".toml") for name in in_tree)
    assert in_tree - shipped == set()


def test_wheel_carries_nothing_else(shipped: set[str]):
    tops = {name.split("/", 1)[0] for name in shipped}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(packages())


def test_wheel_carries_the_licence(shipped: set[str]):
    assert [name for name in shipped if name.endswith(".dist-info/licenses/LICENSE")]
