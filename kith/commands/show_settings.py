"""`kith settings`: every setting, its value and where it may be set."""

from __future__ import annotations

import json

import typer
from rich.console import Console
from rich.table import Table

from kith.settings import ENV_PREFIX, Settings, load_settings


def show_settings(as_json: bool = typer.Option(False, "--json", help="Print the values as JSON.")) -> None:
    """Show every setting with its value in force and its meaning; set them by environment or in `kith.toml`.

    Example: `KITH_PARTITIONS=12 kith settings`
    """
    settings = load_settings()
    if as_json:
        typer.echo(settings.model_dump_json())
        return
    table = Table("environment", "kith.toml", "value", "meaning")
    for name, field in Settings.model_fields.items():
        value = json.dumps(settings.model_dump(mode="json")[name])
        table.add_row(ENV_PREFIX + name.upper(), name, value, field.description or "")
    Console().print(table)
