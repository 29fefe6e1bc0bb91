"""What no linter counts: sizes, names, and what serving pulls in."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.kith_process import ROOT

PACKAGES = ("kith", "streams", "schemas", "workers", "distill", "benchmarks")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
VAGUE = {"utils", "util", "helpers", "helper", "manager", "common", "misc", "base"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_functions_stay_small(path: Path):
    lines = path.read_text().splitlines()
    assert len(lines) <= 400
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            start = first.end_lineno if documented else node.body[0].lineno - 1
            assert node.end_lineno - start <= 40, f"{node.name} has {node.end_lineno - start} lines"
    assert path.stem not in VAGUE


def test_no_other_distribution_brings_our_package_names():
    brought = packages_distributions()
    assert {name: brought[name] for name in PACKAGES if set(brought.get(name, ["kith"])) != {"kith"}} == {}


def test_no_init_file_below_tests_hides_a_package():
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_serving_starts_without_training_libraries():
    code = (
        "import sys, kith.cli, kith.wiring, streams.app, streams.index_profiles, workers.indexing, workers.embedding,"
        " workers.query_consumer, workers.search_client, workers.milvus_index\n"
        "print([name for name in ('torch', 'transformers', 'sentence_transformers', 'onnx', 'safetensors')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_every_lock_holds_every_dependency_that_it_is_for_and_names_no_host():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    locks = {
        "serve": project["dependencies"] + extras["cpu"] + extras["gateway"] + extras["tracing"],
        "local": project["dependencies"] + extras["cpu"] + extras["embedded"] + extras["demo"],
        "test": project["dependencies"] + [one for extra in extras if extra != "gpu" for one in extras[extra]],
    }
    for name, wanted in locks.items():
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        locked = set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))
        assert sorted({re.split(r"[<>=\[]", one)[0] for one in wanted} - locked) == [], f"make lock: {name}"
        assert "://" not in text
        assert ("torch" in locked) == (name == "test"), "serving and the demo must start without it"
