"""The bytes of a profile as its change brought them, written into the table's entry without being encoded again.

Avro writes a record as its fields one after the other, with nothing around them. So the bytes of a change are those of
what comes before its profile, the profile's own, and those of what comes after it; and so are those of an entry.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import fastavro

from schemas.contracts import plain, schema_text
from schemas.records import NAMESPACE, KnownProfile, ProfileChange, ProfileState, to_avro

_PROFILE = "profile"


@dataclass(frozen=True, slots=True)
class _Split:
    """Schemas, ready for fastavro, of a value inside a record and of what is before and after it."""

    before: Any
    value: Any
    after: Any


def read_change(stream: io.BytesIO) -> tuple[dict[str, Any], bytes]:
    """The mapping of a change that was written with this tree's contract, and the bytes of its profile.

    Raises:
        Exception: as fastavro does, of bytes that hold something else.
    """
    fields: Any = fastavro.schemaless_reader(stream, _CHANGE.before, None)
    begin = stream.tell()
    fields[_PROFILE] = fastavro.schemaless_reader(stream, _CHANGE.value, None)
    end = stream.tell()
    after: Any = fastavro.schemaless_reader(stream, _CHANGE.after, None)
    fields |= after
    return fields, stream.getvalue()[begin:end]


def write_entry(out: io.BytesIO, known: KnownProfile, profile: bytes) -> None:
    """Write the entry of a profile, of which `profile` are the bytes that `read_change` gave."""
    before = {"version": known.version, "occurred_at": known.occurred_at}
    fastavro.schemaless_writer(out, _ENTRY.before, {"known": (_KNOWN, before)})
    out.write(profile)
    after = {"text_sha256": known.text_sha256, "settled": to_avro(known.settled), "applied": None}
    fastavro.schemaless_writer(out, _ENTRY.after, after)


def _split(kind: type, *path: str) -> _Split:
    schema = plain(schema_text(kind))
    before, value, after = _around(schema["fields"], path)
    parts = {**schema, "fields": before}, value, {**schema, "fields": after}
    return _Split(*(fastavro.parse_schema(part) for part in parts))


def _around(fields: Sequence[Any], path: Sequence[str]) -> tuple[list[Any], Any, list[Any]]:
    """Fields before a value, its type, and fields after it; a record on the way to it is one of a union with null."""
    at = next(place for place, field in enumerate(fields) if field["name"] == path[0])
    field, before, after = fields[at], list(fields[:at]), list(fields[at + 1 :])
    if not path[1:]:
        return before, field["type"], after
    record = next(branch for branch in field["type"] if isinstance(branch, dict))
    inside, value, behind = _around(record["fields"], path[1:])
    cut = [{**record, "fields": inside} if branch is record else branch for branch in field["type"]]
    return [*before, {**field, "type": cut}], value, [*behind, *after]


_CHANGE, _ENTRY = _split(ProfileChange, _PROFILE), _split(ProfileState, "known", _PROFILE)
_KNOWN = f"{NAMESPACE}.{KnownProfile.__name__}"
