"""Rows to the request that writes them, column by column, and its sending.

pymilvus makes such a request of rows value by value, at more than ten times the cost of this (docs/decisions/0020).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pymilvus import DataType, MilvusClient
from pymilvus.grpc_gen.milvus_pb2 import UpsertRequest

from workers.contract import Row
from workers.limits import FIELD_LIMITS
from workers.milvus_rows import (
    CAREER_FIELD,
    ID_FIELD,
    OCCURRED_FIELD,
    TEXT_FIELD,
    VECTOR_FIELD,
    VERSION_FIELD,
    WORDS_FIELD,
)
from workers.words import profile_words

# Field 1 of a message, of bytes whose length follows: the packed values of pymilvus' FloatArray.
_PACKED = b"\x0a"
_SEVEN_BITS = 0x7F


def upsert_request(collection: str, rows: Sequence[Row], *, with_words: bool) -> UpsertRequest:
    """The request that writes (checked) rows, at least one.

    Args:
        with_words: whether the collection has `WORDS_FIELD`.
    """
    request = UpsertRequest(collection_name=collection, num_rows=len(rows))
    # Filled where it lies: a column that is made apart is copied whole when it is taken in.
    columns = request.fields_data
    _strings(columns, ID_FIELD, [row.profile_id for row in rows])
    _numbers(columns, VERSION_FIELD, [row.version for row in rows])
    _strings(columns, TEXT_FIELD, [row.text for row in rows])
    if with_words:
        _strings(columns, WORDS_FIELD, [profile_words(row.fields.name, row.text) for row in rows])
    for name, limit in FIELD_LIMITS.items():
        column = _strings if limit.max_items is None else _arrays
        column(columns, name, [getattr(row.fields, name) for row in rows])
    _numbers(columns, OCCURRED_FIELD, [row.fields.occurred_at_ms for row in rows])
    _numbers(columns, CAREER_FIELD, [row.fields.career_since for row in rows])
    _vectors(columns, np.stack([row.vector for row in rows]))
    return request


def send(client: MilvusClient, request: UpsertRequest, timeout_s: float) -> None:
    """Write what a request holds; raises as pymilvus does."""
    # The client's own call takes rows only; its connection has one for what is made already.
    connection, context = client._get_connection(), client._generate_call_context()  # noqa: SLF001
    connection.upsert(
        request.collection_name,
        [],
        timeout=timeout_s,
        context=context,
        upsert_param=request,
        # Only rows are read by it; without one it is asked for each time.
        schema={"fields": ()},
        retry_on_rate_limit=False,
    )


def _strings(columns: Any, name: str, values: Sequence[str]) -> None:
    columns.add(field_name=name, type=DataType.VARCHAR).scalars.string_data.data.extend(values)


def _numbers(columns: Any, name: str, values: Sequence[int]) -> None:
    columns.add(field_name=name, type=DataType.INT64).scalars.long_data.data.extend(values)


def _arrays(columns: Any, name: str, values: Sequence[Sequence[str]]) -> None:
    cells = columns.add(field_name=name, type=DataType.ARRAY).scalars.array_data.data
    for value in values:
        cells.add().string_data.data.extend(value)


def _vectors(columns: Any, vectors: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    """float32 (n, dim); protobuf holds floats as they lie in memory, little-endian, so that none is touched."""
    field = columns.add(field_name=VECTOR_FIELD, type=DataType.FLOAT_VECTOR).vectors
    field.dim = vectors.shape[1]
    packed = vectors.astype("<f4", copy=False).tobytes()
    field.float_vector.MergeFromString(_PACKED + _varint(len(packed)) + packed)


def _varint(number: int) -> bytes:
    """A number as protobuf writes it: seven bits a byte, the lowest first, the top bit where more follow."""
    out = bytearray()
    while number > _SEVEN_BITS:
        out.append(number & _SEVEN_BITS | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
