"""The folder of a release that is being made: it appears whole, or not at all."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import onnxruntime

from kith.errors import InputError
from workers.release import MANIFEST, RELEASE_NAME, Manifest


def free_target(out: Path, release: str, *, replace: bool) -> Path:
    """Where the release of that name goes.

    Raises:
        InputError: the name is no name, or the release exists and may not be replaced.
    """
    if not re.fullmatch(RELEASE_NAME, release):
        raise InputError(f"{release!r} cannot name a release.", "Use lower-case letters, digits, dots and hyphens.")
    target = out / release
    if target.exists() and not replace:
        raise InputError(f"{target} exists.", "Choose another --release, or pass --force to replace it.")
    return target


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder to fill, beside `target`; it takes its place when the block ends well, and is gone otherwise.

    Raises:
        InputError: it cannot be written.
    """
    partial = target.with_name(f".{target.name}.partial")
    replaced = target.with_name(f".{target.name}.replaced")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        shutil.rmtree(replaced, ignore_errors=True)
        if target.exists():
            target.rename(replaced)
        partial.rename(target)
        shutil.rmtree(replaced, ignore_errors=True)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}.", "Choose another --out.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write what the release says of itself."""
    text = json.dumps(manifest.model_dump(mode="json"), indent=2, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def tool_versions(*names: str) -> dict[str, str]:
    """Versions of the distributions; ONNX Runtime's comes from one of two."""
    return {name: onnxruntime.__version__ if name == "onnxruntime" else version(name) for name in names}
