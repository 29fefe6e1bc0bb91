"""A plan: the formulas filled with unit costs and what was given, added up, with what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kith.capacity.formulas import TOTALS, sections
from kith.capacity.parameters import PARAMETERS, checked
from kith.capacity.sheet import Formula, Known, Origin, Resource, Sheet
from kith.capacity.unit_costs import UnitCost
from kith.errors import InputError
from kith.settings import Settings
from schemas.topics import Topic, Topics

# What `streams/state_store.py` sets for the table of known profiles.
_TABLE_BUFFER_BYTES, _TABLE_CACHE_BYTES, _TABLE_FILTER_BITS = 4 << 20, 16 << 20, 10
# What `streams/app.py` and `workers/query_consumer.py` set.
_COMMIT_S, _QUERY_COMMIT_S = 0.5, 1.0
# Of `streams/backfill.py`: the records that it keeps under way.
_BACKFILL_WINDOW = 1000
# CPU seconds of one search that are told of, however many processors share them.
_LONG_SEARCH_S = 1.0
_MEASURED_DIM = 384
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
# What the chart and KITH_PARTITIONS allow.
_MOST_PARTITIONS = next(int(bound.le) for bound in Settings.model_fields["partitions"].metadata if hasattr(bound, "le"))


@dataclass(frozen=True, slots=True)
class Plan:
    """What an installation needs.

    Attributes:
        sheet: every value, calculated or not.
        warnings: what stands against it, in sentences.
        left_out: what it does not say, and why.
    """

    sheet: Sheet
    warnings: Sequence[str]
    left_out: Sequence[str]

    def total(self, resource: Resource) -> float:
        """The sum of a resource, in its unit."""
        return self.sheet.value(TOTALS[resource][0])

    def drivers(self, resource: Resource) -> list[tuple[str, float]]:
        """What makes up a resource, largest first: name of the line, and its share of the sum, 0 to 1."""
        whole = self.total(resource)
        return [(line.formula.name, line.value / whole if whole else 0.0) for line in self.sheet.parts_of(resource)]


def make_plan(given: Mapping[str, float | None], costs: Mapping[str, UnitCost]) -> Plan:
    """Calculate a plan.

    Args:
        given: parameters by name (`kith.capacity.parameters`); None for one that is not given.
        costs: unit costs by name.

    Raises:
        kith.errors.InputError: a parameter is refused, or a unit cost is missing or cannot be.
    """
    asked = checked(given)
    sheet = Sheet()
    for known in (*_parameters(asked), *_declared(), *_measured(costs)):
        sheet.know(known)
    try:
        for section, formulas in sections(frozenset(asked)):
            for formula in formulas:
                sheet.calculate(section, formula)
    except KeyError as missing:
        raise InputError(
            f"The unit cost {missing.args[0]} is not in the file.", "Measure: python -m benchmarks.unit_costs."
        ) from missing
    _add_up(sheet)
    return Plan(sheet, _warnings(sheet), _left_out(asked))


def _parameters(asked: Mapping[str, float]) -> list[Known]:
    found = []
    for one in PARAMETERS:
        if one.name in asked:
            found.append(Known(one.name, asked[one.name], one.unit, one.what, Origin.GIVEN, one.option))
        elif one.assumed is not None:
            found.append(Known(one.name, one.assumed, one.unit, one.what, Origin.ASSUMED, one.option))
    return found


def _declared() -> list[Known]:
    topics = Topics()
    kept = {
        "changes_days": (topics.changes, _DAY_MS),
        "receipts_days": (topics.receipts, _DAY_MS),
        "impressions_days": (topics.impressions, _DAY_MS),
        "search_hours": (topics.requests, _HOUR_MS),
    }
    found = [_kept(name, topic, unit_ms) for name, (topic, unit_ms) in kept.items()]
    table = "streams/state_store.py"
    return [
        *found,
        _fixed("table_filter_bits", _TABLE_FILTER_BITS, "bit", "filter of the table, a profile", table),
        _fixed("table_buffer_bytes", _TABLE_BUFFER_BYTES, "B", "write buffer of the table, a partition", table),
        _fixed("table_cache_bytes", _TABLE_CACHE_BYTES, "B", "cache of the table, an indexer", table),
        _fixed(
            "query_commit_s",
            _QUERY_COMMIT_S,
            "s",
            "between two commits of a query consumer",
            "workers/query_consumer.py",
        ),
        _fixed("commit_s", _COMMIT_S, "s", "between two commits of an indexer", "streams/app.py"),
        _fixed("measured_dim", _MEASURED_DIM, "", "numbers of a vector where it was measured", "student-v1"),
    ]


def _kept(name: str, topic: Topic, unit_ms: int) -> Known:
    unit = "h" if unit_ms == _HOUR_MS else "d"
    return _fixed(name, topic.retention_ms / unit_ms, unit, f"how long {topic.name} is kept", "schemas/topics.py")


def _fixed(name: str, value: float, unit: str, what: str, source: str) -> Known:
    return Known(name, value, unit, what, Origin.DECLARED, source)


def _measured(costs: Mapping[str, UnitCost]) -> list[Known]:
    some, none = (costs[name].value if name in costs else None for name in ("restore_run_s", "restore_none_s"))
    if some is not None and none is not None and some <= none:
        raise InputError(
            f"restore_run_s is {some:g}, not above restore_none_s, which is {none:g}.",
            "Measure with more profiles: python -m benchmarks.tables --profiles.",
        )
    return [
        Known(name, cost.value, cost.unit, cost.what, Origin.MEASURED, f"{cost.command}; {cost.machine}; {cost.date}")
        for name, cost in costs.items()
    ]


def _add_up(sheet: Sheet) -> None:
    for resource, (name, unit) in TOTALS.items():
        parts = [line.formula.name for line in sheet.lines.values() if line.formula.resource is resource]
        sheet.calculate("Sums", Formula(name, unit, f"{resource}, all parts", " + ".join(parts)))


def _warnings(sheet: Sheet) -> list[str]:
    found = []
    if (partitions := sheet.value("partitions")) > _MOST_PARTITIONS:
        found.append(
            f"{partitions:,.0f} partitions are more than KITH_PARTITIONS takes ({_MOST_PARTITIONS:,}): "
            "allow more replay hours, or split the people over installations."
        )
    busy = _BACKFILL_WINDOW // int(Settings.model_fields["batch_max_records"].default)
    if sheet.known.get("replay_hours") and sheet.value("replay_indexers") > busy:
        found.append(
            f"A backfill keeps {_BACKFILL_WINDOW:,} records under way, work for {busy} indexers, and a rollout "
            "is filled by one process: for more, the source has to send everybody on profile.changes."
        )
    if (moved := sheet.value("joiner_restore_s")) > (calm := sheet.value("scale_down_wait_s")):
        found.append(
            f"An indexer that joins reads its part of the table for {moved:,.0f} s, longer than the {calm:,.0f} s of "
            "calm after which one may leave: keep their number fixed, at the one for the busiest time."
        )
    if sheet.has("milvus_cpu_of_a_search") and (taken := sheet.value("milvus_cpu_of_a_search")) > _LONG_SEARCH_S:
        found.append(
            f"A search goes through {sheet.value('segments'):,.0f} segments and takes {taken:.1f} CPU seconds: larger "
            "segments (--segment-mib), or parts of the people that are searched by themselves, are needed."
        )
    return found


def _left_out(asked: Mapping[str, float]) -> list[str]:
    found = []
    if "searches_per_second" not in asked:
        found.append("Searches: give --searches-per-second.")
    if "gpu_texts_per_second" not in asked:
        found.append("GPUs: give --gpu-texts-per-second of yours; 20,000 on an H100 with 16 cores, in batches of 256.")
    if "node_memory_gib" not in asked:
        found.append("Query nodes: give --node-memory-gib.")
    if "replay_hours" not in asked:
        found.append("Partitions for a replay in time: give --replay-hours.")
    return found
