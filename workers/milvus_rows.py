"""Rows of a profile collection: field names, checks before sending, hits from what is found. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from kith.errors import InputError
from workers.contract import Hit, ProfileFields, Row, Vectors
from workers.limits import FIELD_LIMITS, PROFILE_ID_LIMIT, TEXT_LIMIT, FieldLimit, utf8_length

ID_FIELD = "profile_id"
VERSION_FIELD = "version"
TEXT_FIELD = "text"
OCCURRED_FIELD = "occurred_at_ms"
CAREER_FIELD = "career_since"
# Only where the server makes BM25 of it.
WORDS_FIELD = "words"
VECTOR_FIELD = "vector"

# All that a hit shows. Always named in a search: without it Milvus Lite returns every field, the vector too.
OUTPUT_FIELDS = (VERSION_FIELD, *FIELD_LIMITS, OCCURRED_FIELD, CAREER_FIELD, TEXT_FIELD)
# What a collection has to have.
STORED_FIELDS = (ID_FIELD, *OUTPUT_FIELDS, VECTOR_FIELD)

_MAX_INT64 = 2**63 - 1
# A unit vector in float32 is off by far less; a vector that nobody normalised by far more.
_NORM_RANGE = (0.99, 1.01)


def check_rows(rows: Sequence[Row], dim: int) -> None:
    """Check rows that are to be written together: the limits of the stored fields, the vectors of the collection.

    Milvus Lite accepts NaN, over-long array items and over-long multi-byte text without a word, so they stop here.

    Raises:
        kith.errors.InputError: a profile id comes twice, or a value cannot be stored; names the profile and the field.
    """
    seen: set[str] = set()
    in_limits = _in_limits(rows)
    for row in rows:
        if not in_limits:
            _check_texts(row)
        _check_numbers(row)
        _check_shape(row, dim)
        if row.profile_id in seen:
            raise InputError(f"Profile {row.profile_id!r} comes twice in one batch.", "Send its newest version only.")
        seen.add(row.profile_id)
    if rows:
        _check_lengths(rows)


def _in_limits(rows: Sequence[Row]) -> bool:
    """Whether `_check_texts` refuses none of the rows: each field of all of them at once, half of its work."""
    columns = [(PROFILE_ID_LIMIT, [row.profile_id for row in rows]), (TEXT_LIMIT, [row.text for row in rows])]
    for name, limit in FIELD_LIMITS.items():
        values = [getattr(row.fields, name) for row in rows]
        if limit.max_items is not None:
            if max(map(len, values), default=0) > limit.max_items:
                return False
            values = list(chain.from_iterable(values))
        columns.append((limit, values))
    return all(_longest(values) <= limit.max_bytes for limit, values in columns) and all(columns[0][1])


def _longest(values: Sequence[str]) -> float:
    """Bytes in UTF-8 of the longest value; infinitely many where one has no such form."""
    if "".join(values).isascii():
        return max(map(len, values), default=0)
    return max(math.inf if (length := utf8_length(value)) is None else length for value in values)


def _check_texts(row: Row) -> None:
    _check_string(row.profile_id, ID_FIELD, row.profile_id, PROFILE_ID_LIMIT)
    if not row.profile_id:
        raise InputError("A profile has an empty profile_id.", "Give every profile an id of its own.")
    _check_string(row.profile_id, TEXT_FIELD, row.text, TEXT_LIMIT)
    for name, limit in FIELD_LIMITS.items():
        _check_field(row.profile_id, name, getattr(row.fields, name), limit)


def _check_numbers(row: Row) -> None:
    for name, number in (
        (VERSION_FIELD, row.version),
        (OCCURRED_FIELD, row.fields.occurred_at_ms),
        (CAREER_FIELD, row.fields.career_since),
    ):
        if not -_MAX_INT64 <= number <= _MAX_INT64:
            raise _refusal(row.profile_id, name, f"is {number}, beyond 64 bits")


def check_query(vectors: Vectors, dim: int) -> None:
    """Check query vectors, float32 (n, dim).

    Raises:
        kith.errors.InputError: another shape, or a value that is not finite.
    """
    if vectors.ndim != 2 or vectors.shape[1] != dim:  # noqa: PLR2004 (rows and columns)
        raise InputError(
            f"The query vectors have the shape {vectors.shape}, but the collection holds {dim} dimensions.",
            "Embed the query with the model of the collection.",
        )
    if not np.isfinite(vectors).all():
        raise InputError("A query vector holds NaN or infinity.")


def to_hit(found: Mapping[str, Any]) -> Hit:
    """A hit from one entry of a search result that was asked for `OUTPUT_FIELDS`."""
    entity = found["entity"]
    values: dict[str, Any] = {
        name: entity[name] if limit.max_items is None else tuple(entity[name]) for name, limit in FIELD_LIMITS.items()
    }
    return Hit(
        # Milvus Lite names the key after the field, the server "id".
        profile_id=found[ID_FIELD] if ID_FIELD in found else found["id"],
        version=entity[VERSION_FIELD],
        score=float(found["distance"]),
        fields=ProfileFields(**values, occurred_at_ms=entity[OCCURRED_FIELD], career_since=entity[CAREER_FIELD]),
        text=entity[TEXT_FIELD],
    )


def to_cosine_hit(found: Mapping[str, Any]) -> Hit:
    """As `to_hit`, of a search by cosine."""
    hit = to_hit(found)
    # float32 rounding can pass 1 by a few units in the last place.
    return replace(hit, score=max(-1.0, min(1.0, hit.score)))


def _check_field(profile_id: str, name: str, value: str | tuple[str, ...], limit: FieldLimit) -> None:
    if isinstance(value, str):
        _check_string(profile_id, name, value, limit)
        return
    if limit.max_items is not None and len(value) > limit.max_items:
        raise _refusal(profile_id, name, f"has {len(value)} items, more than {limit.max_items}")
    for item in value:
        _check_string(profile_id, name, item, limit)


def _check_string(profile_id: str, name: str, value: str, limit: FieldLimit) -> None:
    length = utf8_length(value)
    if length is None:
        raise _refusal(profile_id, name, "is not valid Unicode text (it holds a lone surrogate)")
    if length > limit.max_bytes:
        raise _refusal(profile_id, name, f"has {length} bytes in UTF-8, more than {limit.max_bytes}")


def _check_shape(row: Row, dim: int) -> None:
    vector = row.vector
    if vector.shape != (dim,) or vector.dtype != np.float32:
        raise _refusal(
            row.profile_id, VECTOR_FIELD, f"is {vector.dtype} {vector.shape}, the collection holds float32 ({dim},)"
        )


def _check_lengths(rows: Sequence[Row]) -> None:
    """Of vectors that have one shape, all at once."""
    norms = np.linalg.norm(np.stack([row.vector for row in rows]), axis=1)
    for row, norm in zip(rows, norms.tolist(), strict=True):
        if not math.isfinite(norm):
            raise _refusal(row.profile_id, VECTOR_FIELD, "holds NaN or infinity")
        if not _NORM_RANGE[0] <= norm <= _NORM_RANGE[1]:
            raise _refusal(row.profile_id, VECTOR_FIELD, f"has length {norm:.4g}, not 1")


def _refusal(profile_id: str, name: str, what: str) -> InputError:
    return InputError(f"Profile {profile_id[:128]!a}: the field {name} {what}.")
