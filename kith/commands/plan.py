"""`kith plan`: how large an installation has to be, with the arithmetic shown."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from kith.capacity.plan import make_plan
from kith.capacity.unit_costs import FILE, read_unit_costs
from kith.commands.plan_display import as_mapping, as_markdown, as_text, chosen

_WARNED = 1


def plan(
    profiles: float = typer.Option(..., help="Profiles that are searched; 1.3e9 is a number."),
    changes_per_day: float = typer.Option(..., help="Profile changes of a day, in the mean."),
    peak: float | None = typer.Option(None, help="The busiest time over the mean; assumed 1."),
    embedded_share: float | None = typer.Option(None, help="Share of the changes that alter the text; assumed 1."),
    searches_per_second: float | None = typer.Option(None, help="Questions a second at the busiest time."),
    dim: float | None = typer.Option(None, help="Numbers of a vector; assumed 384, as student-v1 has."),
    replicas: float | None = typer.Option(None, help="Copies of the index in memory; assumed 1."),
    kafka_replicas: float | None = typer.Option(None, help="Copies of each topic; assumed 3."),
    utilization: float | None = typer.Option(None, help="How busy processors may be at the busiest time; assumed 0.7."),
    indexer_cores: float | None = typer.Option(None, help="Processors of an indexer; assumed 2."),
    query_cores: float | None = typer.Option(None, help="Processors of a query consumer; assumed 1."),
    memory_fill: float | None = typer.Option(None, help="How full the memory of Milvus may be; assumed 0.7."),
    index_builds: float | None = typer.Option(None, help="Times that a written row is indexed; assumed 1, the least."),
    compaction_slack: float | None = typer.Option(
        None, help="What compaction may leave, over what is live; assumed 2."
    ),
    segment_mib: float | None = typer.Option(None, help="Size of a segment of Milvus, MiB; assumed 512."),
    node_memory_gib: float | None = typer.Option(None, help="Memory of a query node, GiB: how many are needed."),
    replay_hours: float | None = typer.Option(None, help="Time in which everybody has to be embedded again, hours."),
    gpu_texts_per_second: float | None = typer.Option(
        None, help="Embed on GPUs, each so many profile texts a second (`python -m benchmarks.embed --provider cuda`)."
    ),
    lag_threshold: float | None = typer.Option(None, help="KEDA's lagThreshold; assumed 1000, the chart's."),
    query_lag_threshold: float | None = typer.Option(
        None, help="The same of query consumers; assumed 100, the chart's."
    ),
    polling_s: float | None = typer.Option(None, help="KEDA's pollingInterval; assumed 15, the chart's."),
    scale_up_wait_s: float | None = typer.Option(None, help="How long a lag has to last; assumed 30, the chart's."),
    scale_down_wait_s: float | None = typer.Option(None, help="How long it has to be calm; assumed 900, the chart's."),
    section: list[str] | None = typer.Option(None, help="Only these sections, by their headings; may be repeated."),
    unit_costs: Path = typer.Option(FILE, help="Unit costs of another machine, in the same form."),
    as_json: bool = typer.Option(False, "--json", help="Print every value, formula and origin as JSON."),
    markdown: bool = typer.Option(False, "--markdown", help="Print tables for a document."),
) -> None:
    """Calculate processors, memory, disks, partitions and pods from measured unit costs, with the arithmetic.

    What was not measured is an assumption, printed as one, or has to be given. Nothing has to run for it.
    Exit code 1 when something stands against the plan: more partitions than allowed, a search that takes too long, or
    tables that take longer to move than calm lasts.

    Example: `kith plan --profiles 1.3e9 --changes-per-day 2e8 --embedded-share 0.3 --searches-per-second 1000 --peak 3`
    """
    given = {
        name: value for name, value in locals().items() if name not in {"section", "unit_costs", "as_json", "markdown"}
    }
    made = make_plan(given, read_unit_costs(unit_costs))
    if as_json:
        typer.echo(json.dumps(as_mapping(made)))
    else:
        typer.echo((as_markdown if markdown else as_text)(made, chosen(made, section)))
    if made.warnings:
        raise typer.Exit(_WARNED)
