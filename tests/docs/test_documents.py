"""The documents tell the truth: commands exist, have help with an example, and links lead somewhere."""

import re
import tomllib
from collections import defaultdict

import click
import pytest
import typer.main
from prometheus_client import REGISTRY
from typer.testing import CliRunner

from benchmarks import unit_cost_file
from kith import metrics
from kith.cli import app
from schemas.access import Role, rights_of
from schemas.topics import Topics
from tests.kith_process import ROOT, run

FOLDERS = "kith|streams|schemas|workers|distill|tests|ops|docs|benchmarks|models"
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands(group=None, path=()):
    group = group or typer.main.get_command(app)
    for name, one in group.commands.items():
        if isinstance(one, click.Group) or hasattr(one, "commands"):
            yield from commands(one, (*path, name))
        else:
            yield (*path, name), one


@pytest.mark.parametrize(
    ("path", "command"), list(commands()), ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_every_command_has_help_with_an_example_and_stands_in_the_readme(path, command):
    assert "Example:" in command.help
    assert f"kith {' '.join(path)}" in command.help
    assert f"kith {' '.join(path)}" in (ROOT / "README.md").read_text()
    assert all(parameter.help for parameter in command.params if parameter.name != "help")


def test_help_is_printed_by_the_process_itself():
    done = run({}, "--help")
    assert done.returncode == 0
    assert "produce" in done.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_named_files_exist(document):
    text = document.read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target
    for named in re.findall(
        r"`((?:kith|streams|schemas|workers|distill|tests|ops|docs|benchmarks|models)/[\w./-]+)`", text
    ):
        assert (ROOT / named).exists(), named


def test_make_targets_that_documents_name_exist():
    made = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        for target in re.findall(r"`make ([a-z0-9-]+)", document.read_text()):
            assert target in made, f"{document.name}: make {target}"


def test_the_table_of_settings_is_the_one_that_kith_prints():
    printed = run({}, "settings", "--markdown").stdout
    assert printed in (ROOT / "docs" / "settings.md").read_text(), "write it again: kith settings --markdown"


@pytest.mark.parametrize("document", unit_cost_file.DOCUMENTS, ids=lambda path: path.name)
def test_the_tables_of_plans_are_those_that_kith_prints(document):
    found = unit_cost_file.blocks(document)
    assert found
    for arguments, printed in found:
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert "|" in printed
        assert done.stdout == printed, "write it again: python -m benchmarks.unit_cost_file"


def test_every_metric_is_in_the_operations_guide():
    text = (ROOT / "docs" / "operations.md").read_text()
    assert metrics
    ours = [family.name for family in REGISTRY.collect() if family.name.startswith("kith_")]
    assert len(ours) > 5
    assert [name for name in ours if name not in text] == []


def test_every_topic_is_in_the_wire_contract():
    text = (ROOT / "docs" / "wire.md").read_text()
    assert [topic.name for topic in Topics().all() if f"`{topic.name}`" not in text] == []


def test_the_table_of_rights_is_what_is_declared():
    text = (ROOT / "docs" / "security.md").read_text()
    may = defaultdict(list)
    for role in Role:
        for right in rights_of(role, Topics(model="<release>"), "", "<release>"):
            may[role, right.resource, right.name + "*" * right.prefixed].append(right.operation)
    rows = [f"| {role} | {kind} | `{name}` | {', '.join(done)} |" for (role, kind, name), done in may.items()]
    assert "\n".join(rows) in text, "\n".join(rows)


def test_every_dependency_has_its_line_in_the_readme():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    names = {re.split(r"[<>=\[]", one)[0] for one in wanted}
    text = (ROOT / "README.md").read_text()
    assert sorted(name for name in names if f"`{name}`" not in text) == []
