"""Which reader a file needs, by what it holds before its name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from io import BufferedReader
from pathlib import Path

from kith.errors import InputError
from streams.sources.csv_table import read_csv
from streams.sources.items import Parsed, Rejection, Stamps
from streams.sources.json_resume import read_json_resume
from streams.sources.jsonl import read_jsonl
from streams.sources.raw_lines import MAX_LINE_BYTES, open_input
from streams.sources.typed_files import AVRO_MAGIC, PARQUET_MAGIC, read_avro, read_parquet

_LOOK_AT_BYTES = 2**16
_TELLING_MEMBER = re.compile(rb'"(profile_id|basics)"\s*:')
_CSV_NAMES = (".csv", ".tsv")
_JSONL_NAMES = (".jsonl", ".ndjson")
_DELIMITERS = (b",", b";", b"\t")


class Format(StrEnum):
    """How a file says what a profile is."""

    AUTO = "auto"
    JSON_RESUME = "jsonresume"
    JSONL = "jsonl"
    CSV = "csv"
    AVRO = "avro"
    PARQUET = "parquet"


@contextmanager
def opened_profiles(
    path: Path,
    stamps: Stamps,
    given: Format = Format.AUTO,
    *,
    column_map: Mapping[str, str] | None = None,
    id_field: str | None = None,
    max_line_bytes: int = MAX_LINE_BYTES,
) -> Iterator[Iterator[Parsed | Rejection]]:
    """The records of a file, in its order; the file is open inside the `with`.

    Args:
        given: the format, or AUTO to look.
        column_map: for CSV, our field to the file's column.
        id_field: for JSON Resume, dotted path of the identity.

    Raises:
        InputError: the file cannot be read, its format cannot be told, or an option does not go with it; while
            records are taken, where a table's header cannot be used, and where an Avro or Parquet file is damaged.
    """
    with open_input(path) as stream:
        kind = detect(stream, path) if given is Format.AUTO else given
        _refuse_idle_options(kind, column_map, id_field)
        if kind is Format.CSV:
            yield read_csv(stream, stamps, column_map, max_line_bytes)
        elif kind is Format.JSON_RESUME:
            yield read_json_resume(stream, stamps, id_field, max_line_bytes)
        elif kind is Format.AVRO:
            yield read_avro(stream, stamps)
        elif kind is Format.PARQUET:
            yield read_parquet(stream, stamps)
        else:
            yield read_jsonl(stream, stamps, max_line_bytes)


def detect(stream: BufferedReader, path: Path) -> Format:
    """The format of an open file; takes nothing from the stream.

    Raises:
        InputError: it cannot be told.
    """
    head = stream.peek(_LOOK_AT_BYTES).lstrip()
    suffix = path.suffix.lower()
    if not head:
        raise InputError(f"{path} holds nothing but white space.", "Check what should have written it.")
    if head.startswith((AVRO_MAGIC, PARQUET_MAGIC)):
        return Format.AVRO if head.startswith(AVRO_MAGIC) else Format.PARQUET
    if head.startswith((b"{", b"[")) and suffix not in _CSV_NAMES:
        found = _TELLING_MEMBER.search(head)
        if found:
            return Format.JSON_RESUME if found.group(1) == b"basics" else Format.JSONL
        return Format.JSON_RESUME if head.startswith(b"[") else Format.JSONL
    if suffix in _JSONL_NAMES:
        return Format.JSONL
    if suffix in _CSV_NAMES or any(x in head.partition(b"\n")[0] for x in _DELIMITERS):
        return Format.CSV
    raise InputError(f"The format of {path} cannot be told.", f"Give --format {', '.join(list(Format)[1:])}.")


def _refuse_idle_options(kind: Format, column_map: Mapping[str, str] | None, id_field: str | None) -> None:
    if column_map and kind is not Format.CSV:
        raise InputError(f"--map goes with CSV, and this is {kind.value}.", "Leave it out, or add --format csv.")
    if id_field and kind is not Format.JSON_RESUME:
        raise InputError(
            f"--id-field goes with JSON Resume, and this is {kind.value}.", "Leave it out, or add --format jsonresume."
        )
