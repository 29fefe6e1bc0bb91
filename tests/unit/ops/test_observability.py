"""Dashboard and alerts name what is measured, and every alert has a runbook and a rule test that it fires in."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import typer.main
from prometheus_client import Counter, Gauge, Histogram
from ruamel.yaml import YAML

from kith import metrics
from kith.cli import app
from schemas.records import Outcome, Stage
from schemas.search_records import ReplyStatus
from streams.index_profiles import PARTS

ROOT = Path(__file__).resolve().parents[3]
ALERTS = ROOT / "ops" / "prometheus" / "alerts.yml"
RULE_TESTS = ROOT / "ops" / "prometheus" / "alerts.test.yml"
DASHBOARD = ROOT / "ops" / "grafana" / "kith.json"
KUBERNETES = ROOT / "docs" / "kubernetes.md"
RUNBOOKS = ROOT / "docs" / "runbooks.md"

# What Prometheus adds to every series, and the series that are not ours: its own, and its client's for a process.
TARGET = {"job", "instance"}
FOREIGN: dict[str, set[str]] = {
    "up": set(),
    "process_start_time_seconds": set(),
    "process_cpu_seconds_total": set(),
    "process_resident_memory_bytes": set(),
}
VALUES = {
    ("kith_records_total", "outcome"): {one.value for one in Outcome},
    ("kith_dead_letters_total", "stage"): {one.value for one in Stage},
    ("kith_unavailable_total", "part"): set(PARTS),
    ("kith_search_requests_total", "status"): {one.value for one in ReplyStatus},
    ("kith_search_seconds_bucket", "status"): {one.value for one in ReplyStatus},
    ("kith_search_cached_total", "found"): {"yes", "no"},
    ("kith_search_cached_total", "of"): {"question", "passage"},
}


def measured() -> dict[str, set[str]]:
    """Every series of kith by name, with its labels."""
    found: dict[str, set[str]] = {}
    for one in vars(metrics).values():
        if isinstance(one, Counter):
            found[f"{one._name}_total"] = set(one._labelnames)
        elif isinstance(one, Gauge):
            found[one._name] = set(one._labelnames)
        elif isinstance(one, Histogram):
            labels = set(one._labelnames)
            found |= {f"{one._name}_bucket": labels | {"le"}, f"{one._name}_sum": labels, f"{one._name}_count": labels}
    return found


SERIES = measured() | FOREIGN


def selectors(query: str) -> tuple[list[Any], set[str]]:
    """What a query selects, and the labels that it groups or joins by."""
    picked: list[Any] = []
    grouped: set[str] = set()

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            picked.append(node)
        elif isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            grouped.update(node.modifier.labels)
        elif isinstance(node, promql_parser.BinaryExpr) and node.modifier is not None:
            grouped.update(node.modifier.matching.labels if node.modifier.matching else [])
            grouped.update(node.modifier.group_labels or [])

    promql_parser.walk(promql_parser.parse(query), visit)
    return picked, grouped


def unknown_in(query: str) -> list[str]:
    """What a query names and nothing measures."""
    picked, grouped = selectors(query)
    names = {one.name for one in picked}
    if missing := sorted(f"series {name}" for name in names if name not in SERIES):
        return missing
    found = []
    for one in picked:
        for matcher in one.matchers.matchers:
            known = SERIES[one.name] | TARGET
            if matcher.name not in known:
                found.append(f"label {matcher.name} of {one.name}")
            wanted = VALUES.get((one.name, matcher.name))
            if wanted is not None and not any(re.fullmatch(matcher.value, value) for value in wanted):
                found.append(f"value {matcher.value} of {matcher.name}")
    carried = TARGET.union(*(SERIES[name] for name in names))
    return found + sorted(f"label {label}" for label in grouped - carried)


def rules() -> list[dict[str, Any]]:
    return [rule for group in YAML(typ="safe").load(ALERTS)["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def shown() -> list[tuple[str, str]]:
    return [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_is_measured(rule):
    assert unknown_in(rule["expr"]) == []


@pytest.mark.parametrize(("title", "query"), shown())
def test_a_panel_asks_for_what_is_measured(title: str, query: str):
    assert unknown_in(query.replace("$__rate_interval", "5m")) == []


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("kith_record_total", "series kith_record_total"),
        ("rate(kith_records[5m])", "series kith_records"),
        ('sum(rate(kith_records_total{status="ok"}[5m]))', "label status of kith_records_total"),
        ('kith_search_requests_total{status="okay"}', "value okay of status"),
        ("sum by (reason) (kith_records_total)", "label reason"),
        ("sum by (le) (rate(kith_batch_seconds_count[5m]))", "label le"),
        ("kith_ready * on (process) kith_ready", "label process"),
    ],
)
def test_the_check_notices(query: str, wrong: str):
    assert unknown_in(query) == [wrong]


def test_every_metric_is_on_the_dashboard():
    told = " ".join(query for _title, query in shown())
    ours = {re.sub(r"_(bucket|sum|count)$", "", name) for name in measured()}
    assert sorted(name for name in ours if name not in told) == []


def test_the_dashboard_can_be_imported():
    dashboard = json.loads(DASHBOARD.read_text())
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(numbers) == len(set(numbers))
    assert [one["name"] for one in dashboard["templating"]["list"]] == ["datasource"]
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] == "${datasource}"


def sections(document: str) -> dict[str, str]:
    """The text below each heading of the second level, by the anchor that a renderer gives it."""
    parts = re.split(r"^## (.+)$", document, flags=re.MULTILINE)[1:]
    anchors = [re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in parts[::2]]
    return dict(zip(anchors, parts[1::2], strict=True))


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_what_to_do(rule):
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"].endswith(".")
    document, anchor = rule["annotations"]["runbook_url"].split("#")
    assert document == "docs/runbooks.md"
    runbook = sections(RUNBOOKS.read_text())[anchor]
    assert "**Check.**" in runbook
    assert "**Do.**" in runbook
    assert "```" in runbook, "a runbook has commands"


def test_no_runbook_is_of_an_alert_that_is_gone():
    named = {rule["annotations"]["runbook_url"].split("#")[1] for rule in rules()}
    assert {anchor for anchor in sections(RUNBOOKS.read_text()) if anchor.startswith("kith")} == named


def commands_in(document: Path) -> list[str]:
    fenced = "".join(re.findall(r"^```\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL))
    # A comment of the document is no command of the reader.
    found = (re.search(r"(?:^|(?<!<!)-- )kith (?P<rest>[a-z][^|&]*)", line) for line in fenced.splitlines())
    return [one["rest"] for one in found if one is not None]


@pytest.mark.parametrize("line", commands_in(RUNBOOKS) + commands_in(KUBERNETES))
def test_a_command_of_a_runbook_exists_with_its_options(line: str):
    command: Any = typer.main.get_command(app)
    words = shlex.split(line, comments=True)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    options = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def series_of(written: str) -> tuple[str, set[str]]:
    selector = promql_parser.parse(written)
    return selector.name, {matcher.name for matcher in selector.matchers.matchers}


def test_every_alert_fires_in_a_rule_test_of_its_own():
    cases = YAML(typ="safe").load(RULE_TESTS)["tests"]
    fires = {
        case["name"].split(",")[0]
        for case in cases
        for one in case["promql_expr_test"]
        if f'{{alertname="{case["name"].split(",")[0]}"}}' in {sample["labels"] for sample in one["exp_samples"]}
    }
    assert fires == {rule["alert"] for rule in rules()}


def test_rule_tests_are_fed_with_series_that_exist():
    for case in YAML(typ="safe").load(RULE_TESTS)["tests"]:
        for one in case["input_series"]:
            name, labels = series_of(one["series"])
            assert labels <= SERIES[name] | TARGET, one["series"]
