"""Records written and read by fastavro and by the Apache library: microseconds of CPU a record, one process, in turn.

Example: `python -m benchmarks.avro_codec`
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from statistics import mean, median
from typing import Any

import avro.io
import avro.schema
import fastavro

from benchmarks.environment import describe
from distill.synthetic import synthetic_profiles
from schemas.contracts import parsed, schema_text
from schemas.records import Operation, ProfileChange, to_avro

RECORDS = 500
ROUNDS = 7


def main() -> None:
    """Measure and print."""
    changes = [
        to_avro(ProfileChange(p.profile_id, 1, 1_700_000_000_000, Operation.UPSERT, "bench", p.profile))
        for p in synthetic_profiles(RECORDS, seed=1)
    ]
    fast = parsed(schema_text(ProfileChange))
    plain = avro.schema.parse(json.dumps(_expanded(json.loads(schema_text(ProfileChange)))))
    written = [_fast_write(fast, change) for change in changes]
    if written != [_apache_write(plain, change) for change in changes]:
        raise AssertionError("The two libraries wrote different bytes.")
    cases: dict[str, Callable[[], Any]] = {
        "fastavro write": lambda: [_fast_write(fast, change) for change in changes],
        "Apache write": lambda: [_apache_write(plain, change) for change in changes],
        "fastavro read": lambda: [fastavro.schemaless_reader(io.BytesIO(data), fast, fast) for data in written],
        "Apache read": lambda: [_apache_read(plain, data) for data in written],
    }
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, case in cases.items():
            started = time.process_time()
            case()
            taken[name].append((time.process_time() - started) / RECORDS * 1e6)
    print(describe("fastavro", "avro"))
    print(f"records:  {RECORDS} profile changes, mean {mean(map(len, written)):.0f} bytes; median of {ROUNDS} rounds")
    for name, figures in taken.items():
        print(f"{name:15} {median(figures):8.1f} us a record  ({min(figures):.1f} to {max(figures):.1f})")
    print(f"ratio write {median(taken['Apache write']) / median(taken['fastavro write']):.1f}x")
    print(f"ratio read  {median(taken['Apache read']) / median(taken['fastavro read']):.1f}x")


def _fast_write(schema: Any, change: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, change)
    return out.getvalue()


def _apache_write(schema: Any, change: Any) -> bytes:
    out = io.BytesIO()
    avro.io.DatumWriter(schema).write(change, avro.io.BinaryEncoder(out))
    return out.getvalue()


def _apache_read(schema: Any, data: bytes) -> Any:
    return avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(io.BytesIO(data)))


def _expanded(node: Any) -> Any:
    """Without logical types: the Apache library asks for datetimes where they stand."""
    if isinstance(node, dict):
        return {key: _expanded(value) for key, value in node.items() if key != "logicalType"}
    return [_expanded(item) for item in node] if isinstance(node, list) else node


if __name__ == "__main__":
    main()
