"""`kith topics`: what is declared, what the cluster has."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer
from rich.console import Console
from rich.table import Table

from kith import wiring
from kith.errors import InputError
from kith.settings import load_settings
from schemas.access import WHAT_FOR, Role

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


@app.command("acls")
def show_acls(
    role: str | None = typer.Option(None, "--role", help="Only: source, indexer, query, client or operator."),
    apply: bool = typer.Option(False, "--apply", help="Grant them to --principal; takes away nothing."),
    principal: str | None = typer.Option(None, "--principal", help="Who is granted them, such as User:kith-indexer."),
    reply_topic: str | None = typer.Option(
        None, "--reply-topic", help="Reply topic of a client of its own; without it the shared one."
    ),
    group: str | None = typer.Option(None, "--group", help="Consumer group of a client's service."),
    as_json: bool = typer.Option(False, "--json", help="Print the rights as JSON."),
) -> None:
    """Show the least rights of each role on the cluster, or grant those of one role to a principal.

    A name that ends in * means all that begin with it.

    Example: `kith topics acls --role indexer --apply --principal User:kith-indexer`
    """
    settings = load_settings()
    roles = list(Role) if role is None else [_role(role)]
    shown = {one: wiring.rights(settings, one, reply_topic=reply_topic, group=group) for one in roles}
    if apply:
        if role is None or principal is None:
            raise InputError("--apply needs --role and --principal.", "Grant the rights of one role at a time.")
        wiring.access_admin(settings).grant(principal, shown[roles[0]])
    if as_json:
        typer.echo(json.dumps([{"role": one, **asdict(right)} for one in roles for right in shown[one]]))
        return
    for one in roles:
        typer.echo(f"{one.value}: {WHAT_FOR[one]}")
        for right in shown[one]:
            name = f"{right.name}*" if right.prefixed else right.name
            typer.echo(f"  {right.operation.value:8}  {right.resource.value:5}  {name}")
    if apply:
        typer.echo(f"granted to {principal}")


def _role(name: str) -> Role:
    """Raises `InputError` for what is no role."""
    try:
        return Role(name)
    except ValueError:
        raise InputError(f"There is no role {name}.", f"Choose one of {', '.join(Role)}.") from None
