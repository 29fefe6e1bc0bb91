"""`kith models`: the releases on this machine, and whether their files are what their manifests say."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from kith.errors import InputError, ReleaseError

app = typer.Typer(help="List and verify model releases.", no_args_is_help=True)

_FOLDER = Path("models")
_DAMAGED = 1


@app.command("list")
def list_releases(
    folder: Path = typer.Option(_FOLDER, "--models", help="Folder that holds releases."),
    as_json: bool = typer.Option(False, "--json", help="Print the manifests as JSON."),
) -> None:
    """Show every release: size, dimension, languages, how it was made.

    Example: `kith models list`
    """
    from workers.release import read_manifest

    manifests = [read_manifest(path) for path in _folders(folder)]
    if as_json:
        typer.echo(json.dumps([manifest.model_dump(mode="json") for manifest in manifests]))
        return
    for manifest in manifests:
        megabytes = sum(entry.bytes for entry in manifest.files.values()) / 1e6
        typer.echo(
            f"{manifest.name}  {megabytes:.1f} MB  {manifest.dim} dimensions  {', '.join(manifest.languages)}  "
            f"renderer {manifest.renderer}  ({manifest.command})"
        )


@app.command("verify")
def verify(
    release: list[Path] = typer.Argument(None, help="Release folders; every one of --models without any."),
    folder: Path = typer.Option(_FOLDER, "--models", help="Folder that holds releases."),
) -> None:
    """Compare every file with its manifest. A worker refuses a release that this finds damaged.

    Exit codes: 0 all whole, 1 one is damaged, 2 there is none.

    Example: `kith models verify models/student-v1`
    """
    from workers.release import load_release

    damaged = False
    for path in release or _folders(folder):
        try:
            load_release(path)
        except ReleaseError as error:
            damaged = True
            typer.echo(f"{path}: {error}", err=True)
        else:
            typer.echo(f"{path}: whole")
    if damaged:
        raise typer.Exit(_DAMAGED)


def _folders(folder: Path) -> list[Path]:
    from workers.release import MANIFEST

    found = sorted(path.parent for path in folder.glob(f"*/{MANIFEST}"))
    if not found:
        raise InputError(f"{folder} holds no release.", "Give --models, or make one with `make student`.")
    return found
