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

from schemas.operations import BackfillRun, Erasure
from schemas.records import DeadLetter, ProfileChange, ProfileEmbedding, ProfileState, Receipt
from schemas.rollouts import Rollout, SearchFeedback, SearchObservation
from schemas.search_records import SearchImpression, SearchReply, SearchRequest

Record = (
    ProfileChange
    | ProfileState
    | ProfileEmbedding
    | Receipt
    | DeadLetter
    | Erasure
    | BackfillRun
    | SearchRequest
    | SearchReply
    | SearchImpression
    | SearchFeedback
    | SearchObservation
    | Rollout
)

FILES: dict[type, str] = {
    ProfileChange: "profile_change",
    ProfileEmbedding: "profile_embedding",
    ProfileState: "profile_state",
    Receipt: "receipt",
    DeadLetter: "dead_letter",
    Erasure: "erasure",
    BackfillRun: "backfill_run",
    SearchRequest: "search_request",
    SearchReply: "search_reply",
    SearchImpression: "search_impression",
    SearchFeedback: "search_feedback",
    SearchObservation: "search_observation",
    Rollout: "rollout",
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
    return fastavro.parse_schema(plain(text))


def plain(text: str) -> Any:
    """A schema as JSON has it, times as the integers that they are."""
    return _without_logical_types(json.loads(text))


def incompatibilities(reader: str, writer: str) -> list[str]:
    """Why data written with `writer` cannot be read with `reader`; empty when it can."""
    result = avro.compatibility.ReaderWriterCompatibilityChecker().get_compatibility(  # type: ignore[no-untyped-call]
        avro.schema.parse(reader), avro.schema.parse(writer)
    )
    if result.compatibility is avro.compatibility.SchemaCompatibilityType.compatible:
        return []
    fields = sorted({_field_at(json.loads(reader), where) for where in result.locations} - {""})
    return [f"{', '.join(fields) or 'the record'}: {'; '.join(sorted(result.messages))}"]


def _field_at(schema: Any, location: str) -> str:
    """The name of the field that a path into a schema leads to, as in `profile.skills`; empty at the top."""
    names = []
    for step in location.strip("/").split("/"):
        schema = schema[int(step)] if step.isdigit() else schema.get(step, schema) if step else schema
        if isinstance(schema, dict) and "name" in schema and "type" in schema and step.isdigit():
            names.append(schema["name"])
    return ".".join(names)


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
