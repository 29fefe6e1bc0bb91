"""`kith schemas`: the Avro contracts and the registry."""

from __future__ import annotations

import json

import typer

from kith import wiring
from kith.settings import load_settings

app = typer.Typer(help="Avro contracts: register them, show their ids.", no_args_is_help=True)


@app.command("register")
def register(as_json: bool = typer.Option(False, "--json", help="Print subject and id as JSON.")) -> None:
    """Register the contract of every topic and set its compatibility rule; repeating is harmless.

    Example: `kith schemas register`
    """
    from schemas.registry import COMPATIBILITY

    settings = load_settings()
    registry = wiring.registry(settings)
    ids = {}
    for topic in wiring.topics(settings).all():
        ids[topic.subject] = registry.declare(topic.subject, topic.kind)
    if as_json:
        typer.echo(json.dumps(ids))
        return
    for subject, schema_id in ids.items():
        typer.echo(f"{schema_id:>6}  {subject}  {COMPATIBILITY}")
