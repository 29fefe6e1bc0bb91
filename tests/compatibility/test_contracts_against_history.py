"""Every contract reads what any earlier version of it wrote; `schemas/history` keeps each version ever registered."""

import json
import re

import pytest

from schemas.contracts import FILES, incompatibilities, schema_text
from tests.kith_process import ROOT

HISTORY = ROOT / "schemas" / "history"


def versions(kind):
    """Texts of the versions of a contract, oldest first."""
    found = {
        int(match.group(1)): path.read_text()
        for path in HISTORY.glob(f"{FILES[kind]}.v*.avsc")
        if (match := re.fullmatch(rf"{FILES[kind]}\.v(\d+)\.avsc", path.name))
    }
    assert sorted(found) == list(range(1, len(found) + 1)), f"versions of {FILES[kind]} have a gap: {sorted(found)}"
    return [found[number] for number in sorted(found)]


@pytest.mark.parametrize("kind", FILES, ids=lambda kind: kind.__name__)
def test_a_contract_reads_every_earlier_version(kind):
    for number, earlier in enumerate(versions(kind), start=1):
        assert incompatibilities(reader=schema_text(kind), writer=earlier) == [], f"v{number}"


@pytest.mark.parametrize("kind", FILES, ids=lambda kind: kind.__name__)
def test_the_newest_version_in_the_history_is_the_contract(kind):
    newest = versions(kind)[-1]
    assert json.loads(newest) == json.loads(schema_text(kind)), f"add the next version of {FILES[kind]} to {HISTORY}"


def test_a_field_without_default_would_be_found_and_named():
    kind = next(iter(FILES))
    broken = json.loads(schema_text(kind))
    broken["fields"].append({"name": "pronouns", "type": "string"})
    assert any("pronouns" in reason for reason in incompatibilities(json.dumps(broken), versions(kind)[0]))
