"""The image holds requirements/serve.txt and nothing else: what serves must import without the other extras."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

# Makes the named modules unimportable, as they are in the image, then imports the rest of the arguments.
IMPORT_WITHOUT = """
import importlib, json, sys
absent, wanted = map(json.loads, sys.argv[1:])
sys.modules.update(dict.fromkeys(absent))
for name in wanted:
    importlib.import_module(name)
"""


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(lock: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements" / lock).read_text(), re.MULTILINE))


def absent_from_the_image() -> list[str]:
    """Modules that are installed here only because of requirements/test.txt."""
    elsewhere = locked("test.txt") - locked("serve.txt")
    return sorted(
        module
        for module, owners in packages_distributions().items()
        if module.isidentifier() and {canonical(owner) for owner in owners} <= elsewhere
    )


def import_without(absent: list[str], wanted: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", IMPORT_WITHOUT, json.dumps(absent), json.dumps(wanted)],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "module", ["kith.cli", "kith.wiring", "kith.wiring_gateway", "streams.app", "workers.milvus_index"]
)
def test_what_serves_imports_without_the_other_extras(module: str):
    imported = import_without(absent_from_the_image(), [module])
    assert imported.returncode == 0, imported.stderr


def test_the_check_notices_what_is_absent():
    absent = absent_from_the_image()
    assert {"bm25s", "onnx", "milvus_lite"} <= set(absent)
    imported = import_without(absent, ["bm25s"])
    assert imported.returncode == 1
    assert "ModuleNotFoundError" in imported.stderr
