"""What every rival needs: its arguments, the same Avro, the same texts, the same model, the same rows.

They are lent what would be the same whoever writes it: codec, renderer and row of kith. How records are taken,
embedded, written and committed is each rival's own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from pymilvus import MilvusClient
from tokenizers import Tokenizer

from schemas.codec import Codec
from schemas.records import Profile, ProfileChange
from schemas.registry import Registry
from streams.fields import profile_fields
from workers.contract import Row, Upsert, Vectors
from workers.embedding import OnnxEmbedder
from workers.indexing import row_of
from workers.limits import FIELD_LIMITS
from workers.milvus_rows import CAREER_FIELD, ID_FIELD, OCCURRED_FIELD, TEXT_FIELD, VECTOR_FIELD, VERSION_FIELD
from workers.release import load_release
from workers.render import renderer

# As sentence-transformers' `encode` has it.
DEFAULT_BATCH = 32
# Records that one poll takes: as many as a micro-batch of the indexer holds by default.
POLL = 256
POLL_S = 0.1
_TIMEOUT_S = 30.0
PLAIN, OURS = "plain", "kith"


class PlainEmbedder:
    """A session of ONNX Runtime as it comes, texts in batches as they come, padded to the longest of a batch."""

    def __init__(self, folder: Path) -> None:
        release = load_release(folder)
        self._session = onnxruntime.InferenceSession(str(release.model_file()), providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(str(release.tokenizer_file))
        self._tokenizer.enable_truncation(release.manifest.max_tokens)
        self._tokenizer.enable_padding(pad_id=0)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Texts to unit vectors, float32 (n, dim)."""
        found = [self._run(texts[start : start + DEFAULT_BATCH]) for start in range(0, len(texts), DEFAULT_BATCH)]
        return np.concatenate(found)

    def _run(self, texts: Sequence[str]) -> Vectors:
        encoded = self._tokenizer.encode_batch(list(texts))
        ids = np.array([one.ids for one in encoded], dtype=np.int64)
        mask = np.array([one.attention_mask for one in encoded], dtype=np.int64)
        (vectors,) = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
        return np.asarray(vectors, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Record:
    """A record of the change stream, whoever took it. `value` None is a tombstone."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None

    @property
    def place(self) -> str:
        """Partition and offset, as logs and dead letters name it."""
        return f"{self.partition}:{self.offset}"


@dataclass(frozen=True, slots=True)
class Where:
    """The arguments of every rival."""

    bootstrap: str
    registry: str
    milvus: str
    topic: str
    group: str
    collection: str
    model: Path
    embedder: str
    dead_letters: Path


class Work:
    """Decode, render, embed and write, put together by each rival in its own order."""

    def __init__(self, where: Where) -> None:
        self._codec = Codec(Registry(where.registry))
        self._collection = where.collection
        self._dead_letters = where.dead_letters
        release = load_release(where.model)
        self._render = renderer(release.manifest.renderer)
        self._embed: Callable[[Sequence[str]], Vectors] = (
            OnnxEmbedder(release).embed if where.embedder == OURS else PlainEmbedder(where.model).embed
        )
        self._milvus = MilvusClient(where.milvus)

    def decode(self, value: bytes) -> ProfileChange:
        """A change from its bytes; raises `schemas.codec.DecodeError`."""
        return self._codec.decode(value, ProfileChange)

    def entities(self, changes: Sequence[tuple[str, ProfileChange, Profile]]) -> list[dict[str, Any]]:
        """Rows as Milvus takes them, of id, change and whole profile; the texts are embedded in one go."""
        texts = [self._render(profile) for _id, _change, profile in changes]
        if not texts:
            return []
        vectors = self._embed(texts)
        return [
            self._entity(profile_id, change, profile, text, vector)
            for (profile_id, change, profile), text, vector in zip(changes, texts, vectors, strict=True)
        ]

    def upsert(self, entities: Sequence[dict[str, Any]]) -> None:
        """Write rows in one call; raises `pymilvus.MilvusException`."""
        if entities:
            self._milvus.upsert(self._collection, list(entities), timeout=_TIMEOUT_S)

    def delete(self, profile_ids: Sequence[str]) -> None:
        """Remove rows in one call."""
        if profile_ids:
            self._milvus.delete(self._collection, ids=list(profile_ids), timeout=_TIMEOUT_S)

    def keep_dead_letter(self, record: Record) -> None:
        """Keep a record aside, as a dead-letter topic would."""
        with self._dead_letters.open("a") as file:
            file.write(f"{record.place}\n")

    def _entity(
        self, profile_id: str, change: ProfileChange, profile: Profile, text: str, vector: Vectors
    ) -> dict[str, Any]:
        fields = profile_fields(profile, change.occurred_at)
        row: Row = row_of(Upsert(profile_id, change.version, fields, text), vector)
        return to_entity(row)


def to_entity(row: Row) -> dict[str, Any]:
    """The mapping that pymilvus writes for a row."""
    entity: dict[str, Any] = {ID_FIELD: row.profile_id, VERSION_FIELD: row.version, TEXT_FIELD: row.text}
    for name, limit in FIELD_LIMITS.items():
        value = getattr(row.fields, name)
        entity[name] = value if limit.max_items is None else list(value)
    entity[OCCURRED_FIELD] = row.fields.occurred_at_ms
    entity[CAREER_FIELD] = row.fields.career_since
    entity[VECTOR_FIELD] = row.vector
    return entity


def log_bad(record: Record, error: Exception) -> None:
    """A line of the log for a record that is passed over."""
    print(f"bad record {record.place}: {type(error).__name__}", file=sys.stderr, flush=True)


def where(arguments: Sequence[str] | None = None) -> Where:
    """The arguments of the process."""
    parser = argparse.ArgumentParser()
    for name in ("bootstrap", "registry", "milvus", "topic", "group", "collection"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--embedder", choices=(PLAIN, OURS), default=PLAIN)
    parser.add_argument("--dead-letters", type=Path, required=True)
    return Where(**vars(parser.parse_args(arguments)))
