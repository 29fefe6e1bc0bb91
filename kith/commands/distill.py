"""`kith distill`: make model releases."""

from __future__ import annotations

from pathlib import Path

import typer

from kith.errors import MissingTool

app = typer.Typer(help="Make model releases; needs what `make student-v0` installs.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `export` a verb of its own while it is the only one."""


@app.command("export")
def export(
    release: str = typer.Option(..., "--release", help="Name of the release, for example student-v0."),
    encoder: Path = typer.Option(
        None, "--encoder", help="Folder of a BERT encoder (config.json, model.safetensors, tokenizer.json)."
    ),
    out: Path = typer.Option(Path("models"), "--out", help="Folder that holds releases."),
    language: list[str] = typer.Option(["en"], "--language", help="Language it was trained for, ISO 639-1; repeat."),
    force: bool = typer.Option(False, "--force", help="Replace a release of that name."),
    as_json: bool = typer.Option(False, "--json", help="Print the manifest as JSON."),
) -> None:
    """Turn an encoder into a release: int8 graph with pooling inside, tokenizer, manifest with hashes.

    Without --encoder, the pretrained all-MiniLM-L6-v2 is exported. The same command gives the same bytes.

    Example: `kith distill export --release student-v0 --out models --force`
    """
    try:
        from distill.export import ExportPlan
        from distill.export import export as make
    except ModuleNotFoundError as error:
        raise MissingTool(f"{error.name} is not installed.", "Install what training needs: kith[train].") from error
    plan = ExportPlan(release, out, encoder, tuple(language), force)
    made = make(plan, say=lambda line: typer.echo(line, err=True))
    if as_json:
        typer.echo(made.manifest.model_dump_json())
        return
    for name, entry in made.manifest.files.items():
        typer.echo(f"{entry.bytes:>12}  {entry.sha256}  {made.folder / name}")
    for name, figure in made.manifest.metrics.items():
        typer.echo(f"{figure:>12}  {name}")
