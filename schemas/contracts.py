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
    Erasure,
    ProfileChange,
    ProfileEmbedding,
    ProfileState,
    Receipt,
    SearchReply,
    SearchRequest,
)

FILES: dict[type, str] = {
    ProfileChange: "profile_change",
    ProfileEmbedding: "profile_embedding",
    ProfileState: "profile_state",
    Receipt: "receipt",
    DeadLetter: "dead_letter",
    Erasure: "erasure",
    SearchRequest: "search_request",
    SearchReply: "search_reply",
}


def schema_text(kind: type) -> str:
    """The contract of a record type, as it stands in the tree."""
    return _text(FILES[kind])


def full_name(kind: type) -> str:
    """Namespace and name of a record type's contract."""
    return _full_name(schema_text(kind))


@cache
def parsed(text: str) -> Any:
    """A schema made ready for fastavro, with times left as integers: a datetime a field would cost too much."""
    return fastavro.parse_schema(_without_logical_types(json.loads(text)))


def incompatibilities(reader: str, writer: str) -> list[str]:
    """Why data written with `writer` cannot be read with `reader`; empty when it can."""
    result = avro.compatibility.ReaderWriterCompatibilityChecker().get_compatibility(  # type: ignore[no-untyped-call]
        avro.schema.parse(reader), avro.schema.parse(writer)
    )
    if result.compatibility is avro.compatibility.SchemaCompatibilityType.compatible:
        return []
    return [
        f"{where}: {message}" for where, message in zip(sorted(result.locations), sorted(result.messages), strict=False)
    ]


@cache
def _text(name: str) -> str:
    return files("schemas").joinpath(f"{name}.avsc").read_text(encoding="utf-8")


@cache
def _full_name(text: str) -> str:
    return str(avro.schema.parse(text).fullname)  # type: ignore[attr-defined]


def _without_logical_types(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_logical_types(value) for key, value in node.items() if key != "logicalType"}
    if isinstance(node, list):
        return [_without_logical_types(item) for item in node]
    return node
