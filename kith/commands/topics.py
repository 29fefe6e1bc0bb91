"""`kith topics`: what is declared, what the cluster has."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer
from rich.console import Console
from rich.table import Table

from kith import wiring
from kith.settings import load_settings

app = typer.Typer(help="Kafka topics: create what is declared, show what differs.", no_args_is_help=True)


@app.command("apply")
def apply_topics(
    dry_run: bool = typer.Option(False, "--dry-run", help="Create nothing; only compare."),
    as_json: bool = typer.Option(False, "--json", help="Print the report as JSON."),
) -> None:
    """Create the missing topics and show where existing ones differ; existing ones are never changed.

    Exit code 1 when something differs.

    Example: `kith topics apply --dry-run`
    """
    settings = load_settings()
    report = wiring.topic_admin(settings).apply(wiring.topics(settings).all(), dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps(asdict(report)))
    else:
        for name in report.created:
            typer.echo(f"{'would create' if dry_run else 'created'}  {name}")
        for name in report.existing:
            typer.echo(f"exists   {name}")
        for drift in report.drift:
            typer.echo(f"differs  {drift.topic}: {drift.setting} is {drift.found}, declared {drift.declared}")
    if report.drift:
        raise typer.Exit(1)


@app.command("list")
def list_topics(as_json: bool = typer.Option(False, "--json", help="Print the topics as JSON.")) -> None:
    """Show every declared topic; asks no cluster.

    Example: `kith topics list`
    """
    declared = wiring.topics(load_settings()).all()
    if as_json:
        typer.echo(json.dumps([{"name": t.name, "key": t.key, "doc": t.doc, **t.config()} for t in declared]))
        return
    table = Table("topic", "key", "value", "cleanup", "retention", "what for")
    for t in declared:
        retention = "for ever" if t.retention_ms < 0 else f"{t.retention_ms // 3_600_000} h"
        table.add_row(t.name, t.key, t.kind.__name__, t.cleanup, retention, t.doc)
    Console().print(table)
