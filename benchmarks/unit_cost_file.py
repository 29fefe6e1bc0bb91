"""From the results of the benchmarks to the file that `kith plan` reads, and from that to the tables in the documents.

Example: `python -m benchmarks.unit_cost_file`
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.record import FOLDER
from kith.capacity.unit_costs import FILE


@dataclass(frozen=True, slots=True)
class Figure:
    """Where a unit cost stands in the results.

    Attributes:
        where: keys, and places in lists, down into the figures, by slashes.
        results: the file that they stand in; of that of `benchmarks.unit_costs` the first key is a step.
    """

    name: str
    unit: str
    what: str
    where: str
    results: str = "unit_costs"


DOCUMENTS = tuple(Path(__file__).resolve().parent.parent / "docs" / name for name in ("capacity.md", "kubernetes.md"))
_END = "<!-- end of the plan -->"
_BLOCK = re.compile(rf"<!-- kith (?P<command>plan [^\n]+) -->\n(?P<printed>.*?){_END}", re.DOTALL)
RESULTS = "unit_costs"
_CPU, _BYTES = "CPU s", "B"

FIGURES = (
    Figure("embedder_texts_per_cpu_s", "1/CPU s", "texts that the model alone embeds", "embedder/texts_per_cpu_s"),
    Figure("indexer_cpu_new_text", _CPU, "indexer, a change with a new text", "stream/new_text/cpu_s/indexer"),
    Figure("indexer_cpu_known_text", _CPU, "indexer, a change of fields alone", "stream/known_text/cpu_s/indexer"),
    Figure("indexer_rate_new_text", "1/s", "one indexer, two cores shared with all parts", "stream/new_text/per_s"),
    Figure("indexer_rate_known_text", "1/s", "the same, changes of fields alone", "stream/known_text/per_s"),
    Figure("indexer_resident_bytes", _BYTES, "memory of an indexer", "stream/indexer_resident_bytes"),
    Figure(
        "indexer_first_receipt_s", "s", "an indexer's start until its first receipt", "stream/start_to_first_receipt_s"
    ),
    Figure(
        "joining_stall_s",
        "s",
        "the longest that a partition stood still while an indexer joined, its table small",
        "steps/one comes/longest_stall_of_a_partition_s",
        "rebalance",
    ),
    Figure(
        "leaving_stall_s",
        "s",
        "the same while one left",
        "steps/one leaves/longest_stall_of_a_partition_s",
        "rebalance",
    ),
    Figure("restore_run_s", "s", "an indexer reads a table again", "restore/1/seconds", "tables"),
    Figure("restore_none_s", "s", "the same of an empty table", "restore/0/seconds", "tables"),
    Figure("restore_run_profiles", "", "profiles of that table", "restore/1/profiles", "tables"),
    Figure("table_bytes_per_profile", _BYTES, "table on disk, compacted", "stream/table_bytes_per_profile"),
    Figure("broker_cpu_taking_in", _CPU, "broker, a change that is sent", "stream/broker_taking_in_cpu_s"),
    Figure("broker_cpu_new_text", _CPU, "broker, a change with a new text", "stream/new_text/cpu_s/broker"),
    Figure("broker_cpu_known_text", _CPU, "broker, a change of fields alone", "stream/known_text/cpu_s/broker"),
    Figure("changes_bytes", _BYTES, "of profile.changes", "stream/topic_bytes_per_record/profile.changes"),
    Figure("state_bytes", _BYTES, "of profile.state", "stream/topic_bytes_per_record/profile.state"),
    Figure("embeddings_bytes", _BYTES, "of profile.embeddings", "stream/topic_bytes_per_record/profile.embeddings"),
    Figure("receipts_bytes", _BYTES, "of profile.receipts", "stream/topic_bytes_per_record/profile.receipts"),
    Figure("requests_bytes", _BYTES, "of search.requests", "stream/search_topic_bytes_per_record/search.requests"),
    Figure("replies_bytes", _BYTES, "of search.replies", "stream/search_topic_bytes_per_record/search.replies"),
    Figure(
        "impressions_bytes", _BYTES, "of search.impressions", "stream/search_topic_bytes_per_record/search.impressions"
    ),
    Figure("query_cpu_per_search", _CPU, "query consumer, nothing kept from before", "stream/search/cpu_s/consumer"),
    Figure("broker_cpu_per_search", _CPU, "broker, a question and its answer", "stream/search/cpu_s/broker"),
    Figure("query_resident_bytes", _BYTES, "memory of a query consumer", "stream/query_resident_bytes"),
    Figure("query_start_s", "s", "a query consumer's start until it is ready", "stream/query_start_to_ready_s"),
    Figure("milvus_cpu_per_change", _CPU, "Milvus, a row taken in", "stream/new_text/cpu_s/Milvus"),
    Figure("milvus_build_cpu_per_row", _CPU, "Milvus, a row sealed and indexed", "rows/build_cpu_s_per_row"),
    Figure("milvus_row_memory_bytes", _BYTES, "a row, loaded, index included", "rows/memory_bytes_per_row"),
    Figure("milvus_row_fields_bytes", _BYTES, "a row's fields in storage", "rows/stored_bytes_per_row/insert_log"),
    Figure("milvus_row_stats_bytes", _BYTES, "a row's statistics in storage", "rows/stored_bytes_per_row/stats_log"),
    Figure("milvus_row_index_bytes", _BYTES, "a row's index in storage", "rows/stored_bytes_per_row/index_files"),
    Figure("milvus_cpu_per_search", _CPU, "Milvus, a search in few segments", "segments/search_cpu_s/few"),
    Figure("milvus_few_segments", "", "how many these were", "segments/segments_of_few"),
    Figure(
        "milvus_cpu_per_segment_search",
        _CPU,
        "Milvus, a search, each further segment",
        "segments/search_cpu_s_per_segment",
    ),
)


def text() -> str:
    """The file as it has to be: every figure of the results, with what measured it."""
    kept = {name: json.loads((FOLDER / f"{name}.json").read_text()) for name in {one.results for one in FIGURES}}
    head = "# Written by `python -m benchmarks.unit_cost_file` from the results of benchmarks; not by hand.\n"
    return head + "".join(_table(one, kept[one.results]) for one in FIGURES)


def write() -> None:
    """Write it, and every table in the documents that a plan made."""
    FILE.write_text(text())
    for document in DOCUMENTS:
        document.write_text(_BLOCK.sub(_anew, document.read_text()))


def blocks(document: Path) -> list[tuple[list[str], str]]:
    """The plans in a document: arguments of the command, and what it printed."""
    return [(shlex.split(found["command"]), found["printed"]) for found in _BLOCK.finditer(document.read_text())]


def _anew(found: re.Match[str]) -> str:
    command = [sys.executable, "-m", "kith", *shlex.split(found["command"])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the arguments are ours
    if not done.stdout:
        raise RuntimeError(done.stderr)
    return f"<!-- kith {found['command']} -->\n{done.stdout}{_END}"


def _table(one: Figure, kept: dict[str, Any]) -> str:
    value: Any = kept["figures"]
    for key in one.where.split("/"):
        value = value[int(key) if isinstance(value, list) else key]
    # Steps of the unit costs may be of several days.
    said = kept["figures"][one.where.split("/")[0]] if one.results == RESULTS else kept | {"date": kept["measured_on"]}
    entries = {
        "value": float(value),
        "unit": one.unit,
        "what": one.what,
        **{name: said[name] for name in ("command", "machine", "date")},
        "source": f"benchmarks/results/{one.results}.json: {one.where}",
    }
    # Of a string or number of ours, JSON is TOML.
    return f"\n[{one.name}]\n" + "".join(f"{key} = {json.dumps(entry)}\n" for key, entry in entries.items())


if __name__ == "__main__":
    write()
