"""Hits by comparing every row that meets a condition: what an approximate index owes to rare conditions. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from workers.contract import Hit, Vectors
from workers.milvus_rows import ID_FIELD, OUTPUT_FIELDS, VECTOR_FIELD, to_cosine_hit

# Rows that are compared one by one; where more meet the condition, the index is left to find them.
MOST_ROWS = 256
EXACT_FIELDS = (ID_FIELD, *OUTPUT_FIELDS, VECTOR_FIELD)


def exact_hits(rows: Sequence[Mapping[str, Any]], vector: Vectors, limit: int) -> list[Hit]:
    """The best `limit` rows by cosine, equal ones in the order of their ids.

    Args:
        rows: as read with `EXACT_FIELDS`; their vectors have unit length.
        vector: float32 (dim,), unit length.
    """
    if not rows:
        return []
    scores = np.asarray([row[VECTOR_FIELD] for row in rows], dtype=np.float32) @ vector
    found = [
        to_cosine_hit({ID_FIELD: row[ID_FIELD], "distance": float(score), "entity": row})
        for row, score in zip(rows, scores, strict=True)
    ]
    return sorted(found, key=lambda hit: (-hit.score, hit.profile_id))[:limit]
