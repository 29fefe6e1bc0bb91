"""The Avro contracts of this tree: loading, canonical form, compatibility between versions.

The Apache `avro` library parses, normalises and compares schemas; records are read and written with fastavro
(docs/decisions/0003-two-avro-libraries.md has the measured reason).
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import avro.compatibility
import avro.schema
import fastavro

from schemas.records import (
    DeadLetter,
    ProfileChange,
    ProfileEmbedding,
    Receipt,
    SearchReply,
    SearchRequest,
)

FILES: dict[type, str] = {
    ProfileChange: "profile_change",
    ProfileEmbedding: "profile_embedding",
    Receipt: "receipt",
    DeadLetter: "dead_letter",
    SearchRequest: "search_request",
    SearchReply: "search_reply",
}


@cache
def schema_text(kind: type) -> str:
    """The contract of a record type, as it stands in the tree."""
    return files("schemas").joinpath(f"{FILES[kind]}.avsc").read_text(encoding="utf-8")


@cache
def full_name(kind: type) -> str:
    """Namespace and name of a record type's contract."""
    return str(avro.schema.parse(schema_text(kind)).fullname)  # type: ignore[attr-defined]


@cache
def parsed(text: str) -> Any:
    """A schema made ready for fastavro, with times left as integers (a datetime per field would cost more than the read)."""
    return fastavro.parse_schema(_without_logical_types(json.loads(text)))


def incompatibilities(reader: str, writer: str) -> list[str]:
    """Why data written with `writer` cannot be read with `reader`; empty when it can."""
    result = avro.compatibility.ReaderWriterCompatibilityChecker().get_compatibility(
        avro.schema.parse(reader), avro.schema.parse(writer)
    )
    if result.compatibility is avro.compatibility.SchemaCompatibilityType.compatible:
        return []
    return [f"{where}: {message}" for where, message in zip(sorted(result.locations), sorted(result.messages), strict=False)]


def _without_logical_types(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_logical_types(value) for key, value in node.items() if key != "logicalType"}
    if isinstance(node, list):
        return [_without_logical_types(item) for item in node]
    return node
