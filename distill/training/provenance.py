"""What an encoder was trained on, kept in its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from kith.errors import InputError

PROVENANCE = "training_data.json"


def write_provenance(encoder: Path, hashes: Mapping[str, str]) -> None:
    """Keep the hash of each kind of data in the encoder's folder."""
    (encoder / PROVENANCE).write_text(json.dumps(dict(hashes), indent=2) + "\n", encoding="utf-8")


def read_provenance(encoder: Path) -> dict[str, str]:
    """The hashes that were kept.

    Raises:
        InputError: the folder has none.
    """
    path = encoder / PROVENANCE
    try:
        hashes = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read: {error}.", "Train the student with `kith distill student`."
        ) from error
    return {str(kind): str(digest) for kind, digest in hashes.items()}
