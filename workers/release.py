"""A model release: its files, its manifest (defined here only), and the check that they belong together."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kith.errors import ReleaseError

MANIFEST = "manifest.json"
TOKENIZER = "tokenizer.json"
MODEL_INT8 = "model.int8.onnx"
MODEL_FP16 = "model.fp16.onnx"
# What a graph takes, both int64 (batch, sequence).
INPUT_IDS, ATTENTION_MASK = "input_ids", "attention_mask"
RELEASE_NAME = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"

_BLOCK = 1 << 20
_RESTORE = "Restore the release folder, or export the release again."

# A plain name: what a manifest lists lies in its own folder.
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]


class ReleaseFile(BaseModel):
    """One file of a release."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=1)


class Source(BaseModel):
    """The encoder that a release was made from. `sha256`: of its weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    version: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Manifest(BaseModel):
    """What a release is.

    Attributes:
        dim: length of a vector.
        max_tokens: longer texts are cut there, special tokens included.
        renderer: id of the renderer whose texts it was made for.
        languages: ISO 639-1 codes that it was trained for.
        command: what made it; running it again gives the same bytes.
        tools: versions of the libraries that shaped the bytes.
        metrics: figures measured when it was made, by name.
        data: SHA-256 of each kind of data that it was trained on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=RELEASE_NAME)
    dim: int = Field(ge=1)
    max_tokens: int = Field(ge=8)
    renderer: str
    pooling: str
    quantization: str
    languages: tuple[str, ...]
    source: Source
    command: str
    tools: dict[str, str]
    metrics: dict[str, float]
    data: dict[str, str] = {}
    files: dict[FileName, ReleaseFile]


@dataclass(frozen=True, slots=True)
class Release:
    """A verified release on disk."""

    folder: Path
    manifest: Manifest

    def model_file(self, provider: str = "cpu") -> Path:
        """The graph for a provider: float16 on a GPU where the release has one, else int8."""
        half = provider != "cpu" and MODEL_FP16 in self.manifest.files
        return self.folder / (MODEL_FP16 if half else MODEL_INT8)

    @property
    def tokenizer_file(self) -> Path:
        """The tokenizer."""
        return self.folder / TOKENIZER


def load_release(folder: Path) -> Release:
    """Read a release and verify every file against its manifest.

    Raises:
        ReleaseError: the folder, the manifest or a file is missing, malformed or altered; names it.
    """
    path = folder / MANIFEST
    manifest = read_manifest(folder)
    for name in (MODEL_INT8, TOKENIZER):
        if name not in manifest.files:
            raise ReleaseError(f"{path} does not list {name}.", "Export the release again.")
    for name, expected in manifest.files.items():
        _verify(folder / name, expected)
    return Release(folder, manifest)


def read_manifest(folder: Path) -> Manifest:
    """What a release says of itself, unverified.

    Raises:
        ReleaseError: the manifest is missing or malformed.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ReleaseError(
            f"{folder} holds no model release: {MANIFEST} is missing.", "Set KITH_MODEL_DIR to a release folder."
        )
    return _manifest(path)


def file_entry(path: Path) -> ReleaseFile:
    """Hash and size of a file."""
    return ReleaseFile(sha256=sha256_of(path), bytes=path.stat().st_size)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _manifest(path: Path) -> Manifest:
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ReleaseError(f"{path} cannot be read: {error.strerror}.", "Check who may read it.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise ReleaseError(
            f"{path} is not a manifest: {where}: {first['msg']}.", "Export the release again."
        ) from error


def _verify(path: Path, expected: ReleaseFile) -> None:
    if not path.is_file():
        raise ReleaseError(f"{path} is missing.", _RESTORE)
    try:
        same = path.stat().st_size == expected.bytes and sha256_of(path) == expected.sha256
    except OSError as error:
        raise ReleaseError(f"{path} cannot be read: {error.strerror}.", "Check who may read it.") from error
    if not same:
        raise ReleaseError(
            f"{path} is not the file of this release: its hash differs from the manifest's.",
            _RESTORE,
        )
