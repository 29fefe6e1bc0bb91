"""JSONL of our own fields: one object per line, the profile's fields beside `profile_id` or in a `profile` object."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BufferedReader
from typing import Any

from kith.errors import InputError
from schemas.records import Profile, to_avro
from streams.sources.items import Parsed, Rejection, Stamps
from streams.sources.json_documents import parse_object
from streams.sources.own_fields import change_from
from streams.sources.raw_lines import MAX_LINE_BYTES, read_lines


def read_jsonl(
    stream: BufferedReader, stamps: Stamps, max_line_bytes: int = MAX_LINE_BYTES
) -> Iterator[Parsed | Rejection]:
    """Every record of the file, in its order; an unknown field rejects its line."""
    for line in read_lines(stream, max_line_bytes):
        if isinstance(line, Rejection):
            yield line
            continue
        try:
            yield Parsed(line.number, change_from(parse_object(line), stamps), line.data, line.read_bytes)
        except InputError as error:
            yield Rejection(line.number, str(error), line.data, line.read_bytes)


def write_line(profile_id: str, profile: Profile) -> bytes:
    """One line that `read_jsonl` reads; UTF-8, fields in the order of the contract, empty ones left out."""
    return json.dumps({"profile_id": profile_id} | _given(to_avro(profile)), ensure_ascii=False).encode() + b"\n"


def _given(data: dict[str, Any]) -> dict[str, Any]:
    return {
        name: [_given(item) if isinstance(item, dict) else item for item in value] if isinstance(value, list) else value
        for name, value in data.items()
        if value not in (None, [])
    }
