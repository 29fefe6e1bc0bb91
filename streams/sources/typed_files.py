"""Files whose rows carry their types: Avro containers and Parquet. Columns are our own field names, as in JSONL."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from io import BufferedReader
from typing import Any

import fastavro

from kith.errors import InputError
from streams.sources.items import Parsed, Rejection, Stamps
from streams.sources.own_fields import change_from

AVRO_MAGIC = b"Obj\x01"
PARQUET_MAGIC = b"PAR1"

_WRITTEN_WHOLE = "Check that it was written whole."
# Rows that Parquet decodes at a time.
_ROWS = 1000

Row = Mapping[str, Any]


def read_avro(stream: BufferedReader, stamps: Stamps) -> Iterator[Parsed | Rejection]:
    """Every record of an Avro container file, in its order.

    Raises:
        InputError: the file breaks off or is damaged, which is noticed where it is.
    """
    yield from _read(_avro_rows(stream), stream, stamps)


def read_parquet(stream: BufferedReader, stamps: Stamps) -> Iterator[Parsed | Rejection]:
    """Every row of a Parquet file, in its order.

    Raises:
        InputError: the file is damaged, or pyarrow is not installed.
    """
    yield from _read(_parquet_rows(stream), stream, stamps)


def _read(rows: Iterator[Row], stream: BufferedReader, stamps: Stamps) -> Iterator[Parsed | Rejection]:
    for number, row in enumerate(rows, 1):
        plain = _plain(row)
        # Names of another character set stay readable; what has no JSON is shown as Python does.
        original = json.dumps(plain, ensure_ascii=False, default=repr).encode(errors="replace")
        try:
            yield Parsed(number, change_from(plain, stamps), original, stream.tell())
        except InputError as error:
            yield Rejection(number, str(error), original, stream.tell())


def _avro_rows(stream: BufferedReader) -> Iterator[Row]:
    done = 0
    try:
        for row in fastavro.reader(stream):
            if not isinstance(row, dict):
                raise InputError(f"The file holds no records, but values of {type(row).__name__}.", "Write profiles.")
            yield row
            done += 1
    # What fastavro raises for bytes that are no Avro, or break off.
    except (ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise InputError(f"The file cannot be read after record {done}: {error}.", _WRITTEN_WHOLE) from error


def _parquet_rows(stream: BufferedReader) -> Iterator[Row]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise InputError("Parquet needs pyarrow, which is not installed.", "Install kith[parquet].") from None
    done = 0
    try:
        for batch in parquet.ParquetFile(stream).iter_batches(_ROWS):
            for row in batch.to_pylist():
                yield row
                done += 1
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"The file cannot be read after row {done}: {error}.", _WRITTEN_WHOLE) from error


def _plain(value: Any) -> Any:
    """As JSON would have it: times as ISO 8601."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime | date) else value
