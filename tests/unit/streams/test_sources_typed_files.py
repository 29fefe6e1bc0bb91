"""Avro containers and Parquet: each good row is read, each bad one named, a damaged file refused."""

import io
from datetime import UTC, datetime

import fastavro
import pyarrow as pa
import pytest
from pyarrow import parquet

from kith.errors import InputError
from schemas.records import Operation
from streams.sources.detect import Format, opened_profiles
from streams.sources.items import Parsed, Rejection, Stamps

WHEN = datetime(2026, 11, 1, 12, tzinfo=UTC)
ROWS = [
    {"profile_id": "p1", "name": "Ada", "version": 7, "occurred_at": WHEN, "skills": ["roofs", "tiles"]},
    {"profile_id": "p 2", "name": "Bad Id", "version": 7, "occurred_at": WHEN, "skills": []},
    {"profile_id": "p3", "name": "Bo", "version": None, "occurred_at": None, "skills": []},
]
for _row, _label in zip(ROWS, ("board", None, None), strict=True):
    _row["visibility"] = _label
SCHEMA = {
    "type": "record",
    "name": "Row",
    "fields": [
        {"name": "profile_id", "type": "string"},
        {"name": "name", "type": "string"},
        {"name": "version", "type": ["null", "long"]},
        {"name": "occurred_at", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}]},
        {"name": "skills", "type": {"type": "array", "items": "string"}},
        {"name": "visibility", "type": ["null", "string"]},
    ],
}


def avro_bytes(rows, schema=SCHEMA):
    file = io.BytesIO()
    fastavro.writer(file, schema, rows, sync_interval=1)
    return file.getvalue()


def parquet_bytes(rows):
    file = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


def read(path, given=Format.AUTO, **options):
    with opened_profiles(path, Stamps(lambda: 99), given, **options) as records:
        return list(records)


@pytest.mark.parametrize("write", [avro_bytes, parquet_bytes])
def test_each_row_is_read_or_named_whatever_the_file_is_called(tmp_path, write):
    path = tmp_path / "people.bin"
    path.write_bytes(write(ROWS))
    first, second, third = read(path)
    assert isinstance(first, Parsed)
    assert (first.change.profile_id, first.change.version, first.change.profile.skills) == ("p1", 7, ["roofs", "tiles"])
    assert (first.change.profile.visibility, third.change.profile.visibility) == ("board", None)
    assert first.change.occurred_at == int(WHEN.timestamp() * 1000)
    assert isinstance(second, Rejection)
    assert second.line == 2
    assert "profile_id" in second.reason
    assert (third.change.version, third.change.operation) == (99, Operation.UPSERT)


@pytest.mark.parametrize("write", [avro_bytes, parquet_bytes])
def test_an_unknown_column_rejects_its_rows_by_name(tmp_path, write):
    path = tmp_path / "people"
    fields = [{"name": name, "type": "string"} for name in ("profile_id", "name", "headlin")]
    rows = [{"profile_id": "p1", "name": "Ada", "headlin": "Roofer"}]
    schema = {"type": "record", "name": "Row", "fields": fields}
    path.write_bytes(avro_bytes(rows, schema) if write is avro_bytes else parquet_bytes(rows))
    (found,) = read(path)
    assert "headlin" in found.reason
    assert "headline" in found.reason


@pytest.mark.parametrize("write", [avro_bytes, parquet_bytes])
def test_a_damaged_file_is_refused_wherever_it_breaks_off(tmp_path, write):
    whole = write([row | {"profile_id": f"p{number}"} for number, row in enumerate(ROWS * 20)])
    path = tmp_path / "people"
    for cut in (10, len(whole) // 2, len(whole) - 2):
        path.write_bytes(whole[:cut])
        with pytest.raises(InputError, match="cannot be read after"):
            read(path)


def test_a_container_of_plain_values_holds_no_profiles(tmp_path):
    path = tmp_path / "numbers.avro"
    path.write_bytes(avro_bytes([1, 2], "long"))
    with pytest.raises(InputError, match="no records"):
        read(path)


def test_without_pyarrow_parquet_says_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "people.parquet"
    path.write_bytes(parquet_bytes(ROWS))
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(InputError, match="kith\\[parquet\\]"):
        read(path)


def test_options_of_other_formats_are_refused(tmp_path):
    path = tmp_path / "people.avro"
    path.write_bytes(avro_bytes(ROWS))
    with pytest.raises(InputError, match="--map goes with CSV"):
        read(path, column_map={"name": "full_name"})
