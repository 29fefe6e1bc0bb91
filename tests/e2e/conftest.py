"""A stack of its own, as `kith up` makes it; nothing of it is left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kith_process import ROOT, children_of, run
from tests.waiting import wait_until


@pytest.fixture
def home(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Settings of an empty state folder; `kith down` ends whatever a test started in it."""
    state = tmp_path / "state"
    given = {"KITH_STATE_DIR": str(state), "KITH_PARTS_DIR": str(ROOT / ".kith" / "parts")}
    yield given
    run(given, "down")
    wait_until(lambda: children_of(state), lambda left: left == [], 10)
