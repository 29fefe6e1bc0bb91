"""`kith`: groups and options; every command is one call into `kith.commands`."""

from __future__ import annotations

import sys

import typer

from kith import __version__
from kith.commands import (
    audit,
    backfill,
    dead_letters,
    distill,
    erase,
    evaluate,
    feedback,
    gateway,
    index,
    local,
    models,
    plan,
    produce,
    rebuild,
    rollout,
    schemas,
    search,
    serve,
    show_settings,
    topics,
)
from kith.commands.demo.command import demo
from kith.commands.refusals import explained
from kith.errors import InputError, KithError, PartFailed, Unavailable

EXIT_USAGE = 2
EXIT_UNAVAILABLE = 3

app = typer.Typer(
    name="kith",
    help="Streaming people search by meaning: profile changes in on Kafka, searchable in Milvus a moment later.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command()(local.up)
app.command()(local.down)
app.command()(local.status)
app.command()(demo)
app.command()(produce.produce)
app.command()(search.search)
app.command()(index.index)
app.command()(serve.serve)
app.command()(gateway.gateway)
app.command()(plan.plan)
app.command()(audit.audit)
app.command()(rebuild.rebuild)
app.command()(erase.erase)
app.command("settings")(show_settings.show_settings)
app.add_typer(topics.app, name="topics")
app.add_typer(schemas.app, name="schemas")
app.add_typer(backfill.app, name="backfill")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(distill.app, name="distill")
app.add_typer(feedback.app, name="feedback")
app.add_typer(models.app, name="models")
app.add_typer(rollout.app, name="rollout")
app.command("eval")(evaluate.evaluate)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Show the version and exit.")) -> None:
    if version:
        typer.echo(f"kith {__version__}")
        raise typer.Exit


def main() -> None:
    """Run `kith`; an expected failure is one line on stderr and an exit code: 2 for what to correct, 3 for not now."""
    try:
        app()
    except KithError as error:
        told = explained(error)
        print(f"kith: {told}", file=sys.stderr)  # noqa: T201 - the one place that speaks to the terminal on failure
        raise SystemExit(exit_code(told)) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def exit_code(error: KithError) -> int:
    """3 when it may work later by itself, 2 when something has to be corrected first."""
    if isinstance(error, Unavailable | PartFailed) and not isinstance(error, InputError):
        return EXIT_UNAVAILABLE
    return EXIT_USAGE
