"""`kith settings`: every setting, its value and where it may be set."""

from __future__ import annotations

import json

import typer
from rich.console import Console
from rich.table import Table

from kith.settings import ENV_PREFIX, Settings, load_settings


def show_settings(
    as_json: bool = typer.Option(False, "--json", help="Print the values as JSON."),
    as_markdown: bool = typer.Option(False, "--markdown", help="Print names, defaults and meanings for the documents."),
) -> None:
    """Show every setting with its value in force and its meaning; set them by environment or in `kith.toml`.

    Example: `KITH_PARTITIONS=12 kith settings`
    """
    if as_markdown:
        typer.echo(_markdown())
        return
    settings = load_settings()
    values = settings.model_dump(mode="json")
    if as_json:
        typer.echo(json.dumps(values))
        return
    table = Table("environment", "kith.toml", "value", "meaning")
    for name, field in Settings.model_fields.items():
        table.add_row(ENV_PREFIX + name.upper(), name, json.dumps(values[name]), field.description or "")
    Console().print(table)


# Their paths are of the machine that prints them.
_OF_THIS_CHECKOUT = {"model_dir": "the release of this checkout", "models_dir": "the releases of this checkout"}


def _markdown() -> str:
    lines = ["| environment | kith.toml | default | meaning |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = _OF_THIS_CHECKOUT.get(name) or _shown(field.default)
        lines.append(f"| `{ENV_PREFIX}{name.upper()}` | `{name}` | {default} | {field.description} |")
    return "\n".join(lines)


def _shown(default: object) -> str:
    if default is None or str(default) == "":
        return "empty"
    return f"`{default}`".replace("|", "\\|")
