import json
import re

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from kith.capacity.parameters import PARAMETERS
from kith.cli import app
from kith.commands.plan_display import shown
from kith.settings import Settings
from tests.kith_process import ROOT, run

LEAST = ("plan", "--profiles", "1e6", "--changes-per-day", "1e5")


def printed(*arguments):
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    return done.exit_code, done.stdout


def test_every_line_shows_formula_numbers_and_result():
    code, text = printed(*LEAST)
    assert code == 0
    assert "= changes_per_day / 86400 * peak" in text
    assert "= 100000 / 86400 * 1" in text
    assert "1.16 1/s" in text
    for heading in ("What drives the costs", "Assumed", "Measured", "Not in it"):
        assert f"\n{heading}\n" in text


def test_json_holds_every_line_with_what_went_in():
    code, text = printed(*LEAST, "--searches-per-second", "3", "--json")
    told = json.loads(text)
    assert code == 0
    lines = {line["name"]: line for line in told["lines"]}
    assert lines["changes_per_s"]["inputs"] == {"changes_per_day": 1e5, "peak": 1.0}
    assert {one["origin"] for one in told["known"]} == {"given", "assumed", "declared", "measured"}
    cores = sum(line["value"] for line in lines.values() if line["counted_as"] == "cores")
    assert cores == pytest.approx(lines["total_cores"]["value"])


def test_a_plan_that_something_stands_against_ends_with_1():
    code, text = printed("plan", "--profiles", "1e9", "--changes-per-day", "1e9", "--replay-hours", "0.1")
    assert code == 1
    assert "Warning: " in text
    assert "KITH_PARTITIONS" in text


def test_only_the_sections_that_were_asked_for_are_shown():
    _code, text = printed(*LEAST, "--section", "Traffic", "--markdown")
    assert [line.split("|")[1].strip() for line in text.splitlines()[2:]] == [
        "**Traffic**",
        "`changes_per_s`",
        "`texts_per_s`",
    ]
    done = run({}, *LEAST, "--section", "Trafic")
    assert done.returncode == 2
    assert "no section 'Trafic'. It has Traffic, Indexers" in done.stderr


def test_what_is_refused_is_one_line_and_2():
    done = run({}, "plan", "--profiles", "0", "--changes-per-day", "1")
    assert done.returncode == 2
    assert done.stderr.startswith("kith: --profiles is 0, not between 1 and")
    assert "Traceback" not in done.stderr


def test_there_is_an_option_for_every_parameter():
    _code, text = printed("plan", "--help")
    assert [one.option for one in PARAMETERS if one.option not in text] == []


def test_what_is_assumed_of_scaling_is_what_the_chart_has():
    values = YAML(typ="safe").load(ROOT / "ops" / "helm" / "kith" / "values.yaml")
    template = (ROOT / "ops" / "helm" / "kith" / "templates" / "scaledobjects.yaml").read_text()
    assumed = {one.name: one.assumed for one in PARAMETERS}
    assert values["keda"]["indexer"]["lagThreshold"] == assumed["lag_threshold"]
    assert values["keda"]["query"]["lagThreshold"] == assumed["query_lag_threshold"]
    assert values["keda"]["pollingInterval"] == assumed["polling_s"]
    assert values["keda"]["indexer"]["scaleDownStabilizationSeconds"] == assumed["scale_down_wait_s"]
    assert re.search(rf"scaleUp:\s+stabilizationWindowSeconds: {assumed['scale_up_wait_s']:g}\n", template)
    assert float(values["indexer"]["resources"]["requests"]["cpu"]) == assumed["indexer_cores"]
    assert float(values["query"]["resources"]["requests"]["cpu"]) == assumed["query_cores"]
    assert values["topics"]["replicationFactor"] == assumed["kafka_replicas"]
    assert values["keda"]["query"]["cpuUtilization"] / 100 == assumed["utilization"]


def test_the_chart_gives_each_pod_the_memory_that_was_measured():
    _code, text = printed(*LEAST, "--searches-per-second", "1", "--json")
    value = {one["name"]: one["value"] for one in json.loads(text)["known"]}
    values = YAML(typ="safe").load(ROOT / "ops" / "helm" / "kith" / "values.yaml")
    # The fewest indexers that KEDA leaves have the most partitions each.
    each = values["topics"]["partitions"] / values["keda"]["indexer"]["minReplicas"]
    table = value["table_cache_bytes"] + each * 2 * value["table_buffer_bytes"]
    assert value["indexer_resident_bytes"] + table < memory_request(values["indexer"])
    assert value["query_resident_bytes"] < memory_request(values["query"])


def memory_request(part):
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", part["resources"]["requests"]["memory"]).groups()
    return int(number) << {"Mi": 20, "Gi": 30}[unit]


def test_the_chart_calls_for_query_consumers_above_what_waits_at_rest():
    _code, text = printed(*LEAST, "--searches-per-second", "1", "--json")
    value = {line["name"]: line["value"] for line in json.loads(text)["lines"]}
    values = YAML(typ="safe").load(ROOT / "ops" / "helm" / "kith" / "values.yaml")
    assert 2 * value["query_lag_at_rest"] < values["keda"]["query"]["lagThreshold"]
    # One that was added is there before another may be taken away.
    assert value["query_scale_up_s"] < values["keda"]["query"]["scaleDownStabilizationSeconds"]


def test_the_chart_calls_for_indexers_above_what_waits_at_rest_and_below_what_is_not_ready():
    _code, text = printed(*LEAST, "--json")
    value = {line["name"]: line["value"] for line in json.loads(text)["lines"]}
    values = YAML(typ="safe").load(ROOT / "ops" / "helm" / "kith" / "values.yaml")
    threshold = values["keda"]["indexer"]["lagThreshold"]
    # Twice, for a pod may be seen just before it commits.
    assert 2 * value["lag_at_rest"] < threshold < Settings.model_fields["ready_max_lag"].default
    # As long as a table is small enough; a plan warns of the others.
    assert value["scale_up_s"] < values["keda"]["indexer"]["scaleDownStabilizationSeconds"]
    assert value["calm_over_pause"] > 1


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "cores", "0 cores"),
        (12, "", "12"),
        (1234567.8, "1/s", "1,234,568 1/s"),
        (0.0123456, "CPU s", "0.0123 CPU s"),
        (0.0000123, "CPU s", "1.23e-05 CPU s"),
        (1023, "B", "1,023 B"),
        (1536, "B", "1.5 KiB"),
        (3 * 2**40, "B/s", "3 TiB/s"),
        (2**60, "B", "1,024 PiB"),
    ],
)
def test_values_are_shown_with_their_unit(value, unit, text):
    assert shown(value, unit) == text
