"""What has to hold for a plan whatever was measured: costs are drawn, not read."""

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.unit_cost_file import FIGURES
from kith.capacity import plan
from kith.capacity.arithmetic import evaluate, names_in
from kith.capacity.formulas import TOTALS, sections
from kith.capacity.parameters import PARAMETERS, checked
from kith.capacity.plan import make_plan
from kith.capacity.sheet import Origin, Resource
from kith.capacity.unit_costs import UnitCost
from kith.errors import InputError
from streams import app, state_store
from streams.backfill import BackfillBounds
from workers import query_consumer

COST_NAMES = [one.name for one in FIGURES]
ASKED = {"profiles": 1e6, "changes_per_day": 1e6, "searches_per_second": 10.0}


def costs_of(values):
    costs = {name: UnitCost(value, "", "", "", "", "", "") for name, value in zip(COST_NAMES, values, strict=True)}
    # Reading some profiles takes longer than reading none.
    costs["restore_run_s"] = UnitCost(
        costs["restore_none_s"].value + costs["restore_run_s"].value, "", "", "", "", "", ""
    )
    return costs


COSTS = st.lists(st.floats(min_value=1e-6, max_value=1e6), min_size=len(COST_NAMES), max_size=len(COST_NAMES)).map(
    costs_of
)
# A table is read again in no time, so that nothing but what a test is about stands against a plan.
ONES = costs_of([1.0] * len(COST_NAMES)) | {"restore_run_profiles": UnitCost(1e9, "", "", "", "", "", "")}
OPTIONAL = {
    "searches_per_second": st.floats(0, 1e5),
    "replay_hours": st.floats(0.1, 1e4),
    "gpu_texts_per_second": st.floats(1, 1e5),
    "node_memory_gib": st.floats(1, 1e4),
    "embedded_share": st.floats(0, 1),
    "peak": st.floats(1, 20),
}
DEMANDS = st.fixed_dictionaries(
    {"profiles": st.floats(1, 1e11), "changes_per_day": st.floats(0, 1e11)}, optional=OPTIONAL
)


@given(DEMANDS, COSTS)
def test_every_line_is_what_its_formula_gives_and_is_a_number_that_is_not_below_0(demand, costs):
    made = make_plan(demand, costs)
    for line in made.sheet.lines.values():
        assert evaluate(line.formula.formula, line.inputs) == line.value
        assert math.isfinite(line.value)
        assert line.value >= 0


@given(DEMANDS, COSTS)
def test_the_sums_are_those_of_their_parts(demand, costs):
    made = make_plan(demand, costs)
    for resource in Resource:
        parts = [line.value for line in made.sheet.parts_of(resource)]
        assert made.total(resource) == pytest.approx(sum(parts))
        if made.total(resource):
            assert sum(share for _name, share in made.drivers(resource)) == pytest.approx(1)
        assert parts == sorted(parts, reverse=True)


NEVER_FEWER = (
    "indexers",
    "partitions",
    "query_consumers",
    "gpus",
    "query_nodes",
    *(name for name, _ in TOTALS.values()),
)


@pytest.mark.parametrize("more", ["profiles", "changes_per_day", "peak", "embedded_share", "searches_per_second"])
@given(DEMANDS, COSTS, st.floats(1, 10))
@settings(max_examples=60)
def test_more_to_do_never_needs_less(more, demand, costs, times):
    # A change with a new text is dearer than one without, as anything measured would be.
    for new, known in (
        ("indexer_cpu_new_text", "indexer_cpu_known_text"),
        ("broker_cpu_new_text", "broker_cpu_known_text"),
    ):
        costs[new], costs[known] = sorted([costs[new], costs[known]], key=lambda cost: -cost.value)
    slow, fast = sorted([costs["indexer_rate_new_text"], costs["indexer_rate_known_text"]], key=lambda cost: cost.value)
    costs["indexer_rate_new_text"], costs["indexer_rate_known_text"] = slow, fast
    before = {"peak": 1.0, "embedded_share": 0.1, "searches_per_second": 5.0} | demand
    after = before | {more: min(before[more] * times, 1.0 if more == "embedded_share" else math.inf)}
    less, greater = make_plan(before, costs).sheet, make_plan(after, costs).sheet
    for name in NEVER_FEWER:
        if less.has(name):
            assert greater.value(name) >= less.value(name) * (1 - 1e-9), name


@given(DEMANDS, COSTS)
def test_pods_are_enough_for_the_rate_and_no_more_than_the_partitions(demand, costs):
    sheet = make_plan(demand, costs).sheet
    able = sheet.value("indexers") * sheet.value("indexer_rate") * sheet.value("utilization")
    assert able >= sheet.value("changes_per_s") * (1 - 1e-9)
    assert sheet.value("indexers") <= sheet.value("partitions")
    assert sheet.value("indexers") == int(sheet.value("indexers")) >= 1


def test_a_replay_within_hours_has_the_pods_for_it():
    sheet = make_plan(ASKED | {"replay_hours": 2.0}, ONES).sheet
    assert sheet.value("replay_takes_h") <= 2.0
    assert sheet.value("partitions") >= sheet.value("replay_indexers") > sheet.value("indexers")


def test_a_small_example_by_hand():
    costs = costs_of([1.0] * len(COST_NAMES)) | {
        "indexer_cpu_new_text": UnitCost(0.004, "", "", "", "", "", ""),
        "indexer_cpu_known_text": UnitCost(0.001, "", "", "", "", "", ""),
        "indexer_rate_new_text": UnitCost(400, "", "", "", "", "", ""),
        "indexer_rate_known_text": UnitCost(1600, "", "", "", "", "", ""),
    }
    asked = {
        "profiles": 1e6,
        "changes_per_day": 86_400 * 1000.0,
        "peak": 2.0,
        "embedded_share": 0.5,
        "utilization": 0.5,
    }
    sheet = make_plan(asked, costs).sheet
    assert sheet.value("changes_per_s") == pytest.approx(2000)
    assert sheet.value("indexer_cpu") == pytest.approx(2000 * 0.0025 / 0.5)
    assert sheet.value("indexer_rate") == pytest.approx(640)
    # By rate: 2000 / (640 x 0.5) = 6.25; by processors: 10 cores / 2 = 5.
    assert sheet.value("indexers") == 7


@pytest.mark.parametrize(
    ("given_", "told"),
    [
        ({"changes_per_day": 1.0}, "--profiles is missing"),
        ({"profiles": 10.0}, "--changes-per-day is missing"),
        ({"profiles": -1.0, "changes_per_day": 1.0}, "--profiles is -1, not between 1"),
        ({"profiles": math.nan, "changes_per_day": 1.0}, "--profiles is nan"),
        ({"profiles": math.inf, "changes_per_day": 1.0}, "--profiles is inf"),
        (ASKED | {"embedded_share": 1.1}, "--embedded-share is 1.1, not between 0 and 1"),
        (ASKED | {"utilization": 0.0}, "--utilization is 0, not between 0.05"),
        (ASKED | {"gpu_texts_per_second": 0.0}, "--gpu-texts-per-second is 0"),
        (ASKED | {"shards": 1.0}, "shards is no parameter"),
    ],
)
def test_what_cannot_be_planned_is_refused_with_its_option(given_, told):
    with pytest.raises(InputError, match=told.replace(".", r"\.")):
        make_plan(given_, ONES)


def test_a_cost_that_is_missing_is_named():
    costs = {name: cost for name, cost in ONES.items() if name != "changes_bytes"}
    with pytest.raises(InputError, match="changes_bytes is not in the file"):
        make_plan(ASKED, costs)


def test_a_table_that_was_read_no_slower_than_none_is_refused():
    costs = ONES | {"restore_run_s": UnitCost(1.0, "", "", "", "", "", "")}
    with pytest.raises(InputError, match="restore_run_s is 1, not above restore_none_s, which is 1"):
        make_plan(ASKED, costs)


def test_what_was_not_given_is_shown_as_assumed_or_left_out():
    made = make_plan({"profiles": 10.0, "changes_per_day": 10.0}, ONES)
    origins = {one.name: one.origin for one in made.sheet.used()}
    assert origins["embedded_share"] is Origin.ASSUMED
    assert origins["profiles"] is Origin.GIVEN
    told = " ".join(made.left_out)
    for option in ("--searches-per-second", "--gpu-texts-per-second", "--node-memory-gib", "--replay-hours"):
        assert option in told
    assert not made.sheet.has("gpus")


def test_a_gpu_takes_embedding_off_the_processors_and_stands_in_every_pod():
    costs = ONES | {"indexer_cpu_new_text": UnitCost(3.0, "", "", "", "", "", "")}
    without = make_plan(ASKED, costs).sheet
    with_one = make_plan(ASKED | {"gpu_texts_per_second": 1000.0}, costs).sheet
    assert with_one.value("indexer_cpu_per_change") == without.value("indexer_cpu_per_change") - 1.0
    assert with_one.value("gpus") == with_one.value("indexers")


def test_a_replay_by_more_indexers_than_a_backfill_keeps_busy_is_warned_of():
    (told,) = make_plan(ASKED | {"replay_hours": 20.0}, ONES).warnings
    assert "work for 3 indexers" in told
    assert make_plan(ASKED | {"replay_hours": 1000.0}, ONES).warnings == []


def test_more_partitions_than_allowed_and_too_long_a_search_are_warned_of():
    made = make_plan(ASKED | {"changes_per_day": 1e10, "profiles": 1e10}, ONES)
    assert len(made.warnings) == 2
    assert "KITH_PARTITIONS takes (1,024)" in made.warnings[0]
    assert make_plan({"profiles": 10.0, "changes_per_day": 10.0}, ONES).warnings == []


def test_a_part_of_the_table_that_takes_longer_to_read_than_calm_lasts_is_warned_of():
    costs = ONES | {"restore_run_profiles": UnitCost(100.0, "", "", "", "", "", "")}
    # 1,000,000 profiles, one indexer and one that joins: half of them, 100 a second.
    (told,) = make_plan(ASKED | {"scale_down_wait_s": 4999.0, "changes_per_day": 1.0}, costs).warnings
    assert "for 5,000 s, longer than the 4,999 s of calm" in told
    assert make_plan(ASKED | {"scale_down_wait_s": 5001.0, "changes_per_day": 1.0}, costs).warnings == []


@given(DEMANDS, COSTS, st.floats(1, 10))
def test_a_larger_table_is_never_moved_sooner_and_one_more_that_joins_reads_no_more_than_there_is(demand, costs, times):
    small, large = (
        make_plan(demand, costs).sheet,
        make_plan(demand | {"profiles": demand["profiles"] * times}, costs).sheet,
    )
    for name in ("restore_s", "joiner_restore_s", "leaver_restore_s", "scale_up_s"):
        assert large.value(name) >= small.value(name) * (1 - 1e-9), name
    indexers, rate = small.value("indexers"), small.value("restore_rate")
    read = (small.value("restore_s") * indexers, small.value("joiner_restore_s") * (indexers + 1))
    assert [whole * rate for whole in read] == pytest.approx([demand["profiles"]] * 2)
    assert small.value("joiner_restore_s") < small.value("restore_s")


def test_scaling_up_is_looking_waiting_starting_joining_and_reading_by_hand():
    costs = costs_of([1.0] * len(COST_NAMES)) | {
        "indexer_first_receipt_s": UnitCost(9.0, "", "", "", "", "", ""),
        "joining_stall_s": UnitCost(2.0, "", "", "", "", "", ""),
        "leaving_stall_s": UnitCost(4.0, "", "", "", "", "", ""),
        "restore_run_s": UnitCost(7.0, "", "", "", "", "", ""),
        "restore_none_s": UnitCost(2.0, "", "", "", "", "", ""),
        "restore_run_profiles": UnitCost(1000.0, "", "", "", "", "", ""),
    }
    sheet = make_plan(ASKED | {"changes_per_day": 1.0, "profiles": 2000.0, "indexer_cores": 4.0}, costs).sheet
    # 200 profiles a second, and the second of two indexers gets 1,000.
    assert sheet.value("scale_up_s") == 15 + 30 + 9 + 2 + 5
    assert sheet.value("calm_over_pause") == 900 / (4 + 10)


def test_every_parameter_and_cost_is_used_somewhere_and_no_name_stands_for_two_things():
    every = {*OPTIONAL, "profiles", "changes_per_day"}
    formulas = [
        formula
        for given_ in (every, every - {"gpu_texts_per_second"})
        for _section, some in sections(frozenset(given_))
        for formula in some
    ]
    used = {name for formula in formulas for name in names_in(formula.formula)}
    assert {*(one.name for one in PARAMETERS), *COST_NAMES} - used == set()
    counted = Counter([*(one.name for one in PARAMETERS), *COST_NAMES, *{formula.name for formula in formulas}])
    assert [name for name, count in counted.items() if count > 1] == []


def test_what_is_declared_elsewhere_is_what_is_declared_there():
    known = make_plan(ASKED, ONES).sheet.known
    assert known["commit_s"].value == app._COMMIT_INTERVAL_S
    assert known["query_commit_s"].value == query_consumer._COMMIT_MS / 1000
    assert known["table_buffer_bytes"].value == state_store._WRITE_BUFFER_BYTES
    assert known["table_cache_bytes"].value == state_store._CACHE_BYTES
    assert BackfillBounds().window == plan._BACKFILL_WINDOW
    assert known["changes_days"].value == 7
    assert known["receipts_days"].value == 14


def test_bounds_are_allowed_themselves():
    for one in PARAMETERS:
        assert checked(ASKED | {one.name: one.least})[one.name] == one.least
        assert checked(ASKED | {one.name: one.most})[one.name] == one.most
