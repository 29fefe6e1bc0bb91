"""What search by words costs on Milvus Lite: writes and searches by meaning with and without words, searches by words.

Example: `python -m benchmarks.keyword_cost` or `python -m benchmarks.keyword_cost 2000`
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import numpy as np

from benchmarks.environment import describe
from benchmarks.milvus_lite import WithoutFullText, own_milvus_lite
from distill.synthetic import synthetic_profiles
from kith.deadline import Deadline
from streams.fields import profile_fields
from workers.contract import CollectionInfo, Row, Vectors
from workers.fusion import fused
from workers.hybrid_search import MEANING_DEPTH, WORDS_DEPTH
from workers.keyword_ranking import ranked
from workers.limits import fit_fields, fit_text
from workers.milvus_index import MilvusIndex
from workers.model_collections import create_or_find
from workers.render import RENDERER_ID, render
from workers.words import asked

PROFILES = 5000
DIM = 384
BATCH = 128
SEARCHES = 60
LIMIT = 10
TIMEOUT_S = 60.0


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else PROFILES
    rows = _rows(count)
    print(describe("milvus-lite", "pymilvus"))
    print(f"{count} synthetic profiles, batches of {BATCH}, {SEARCHES} searches each, one at a time")
    with own_milvus_lite() as uri:
        index, plain = MilvusIndex(uri), WithoutFullText(uri)
        names = {"without words": f"plain_{count}", "with words": f"words_{count}"}
        for kind, connection in (("without words", plain), ("with words", index.connection)):
            wanted = CollectionInfo(names[kind], kind, RENDERER_ID, DIM)
            create_or_find(connection, wanted, Deadline.after(TIMEOUT_S))
        for what in ("new profiles", "the same again"):
            for kind, rate in _write(index, names, rows).items():
                print(f"upsert, {what:16} {kind:14} {rate:7.0f} rows/s")
        for kind, taken in _by_meaning(index, names, rows).items():
            print(f"by meaning, {LIMIT} hits       {kind:14} {_spread(taken)}")
        for kind, taken in _by_words(index, names["with words"], rows).items():
            print(f"{kind:39} {_spread(taken)}")
        index.close()
        plain.close()


def _rows(count: int) -> list[Row]:
    vectors = np.random.default_rng(0).normal(size=(count, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return [
        Row(made.profile_id, 1, fit_fields(profile_fields(made.profile, 0)), fit_text(render(made.profile)), vector)
        for made, vector in zip(synthetic_profiles(count, seed=2), vectors, strict=True)
    ]


def _write(index: MilvusIndex, names: dict[str, str], rows: Sequence[Row]) -> dict[str, float]:
    """Rows a second; batch by batch in turn, so that what disturbs the machine disturbs both."""
    spent = dict.fromkeys(names, 0.0)
    for start in range(0, len(rows), BATCH):
        for kind, name in names.items():
            begun = time.perf_counter()
            index.upsert(name, rows[start : start + BATCH], TIMEOUT_S)
            spent[kind] += time.perf_counter() - begun
    return {kind: len(rows) / seconds for kind, seconds in spent.items()}


def _by_meaning(index: MilvusIndex, names: dict[str, str], rows: Sequence[Row]) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {kind: [] for kind in names}
    for row in rows[:SEARCHES]:
        for kind, name in names.items():
            begun = time.perf_counter()
            index.search(name, _one(row.vector), LIMIT, [], TIMEOUT_S)
            taken[kind].append(time.perf_counter() - begun)
    return taken


def _by_words(index: MilvusIndex, name: str, rows: Sequence[Row]) -> dict[str, list[float]]:
    kinds = ("a name, by words", "a name, both ways", "8 words, by words", "ranking and fusion of these")
    taken: dict[str, list[float]] = {kind: [] for kind in kinds}
    for row in rows[:SEARCHES]:
        for kind, text in (("a name, by words", row.fields.name), ("8 words, by words", _words(row))):
            begun = time.perf_counter()
            question = asked(text)
            (found,) = index.search_words(name, [question], WORDS_DEPTH, [], TIMEOUT_S)
            taken[kind].append(time.perf_counter() - begun)
            meant_begun = time.perf_counter()
            (meant,) = index.search(name, _one(row.vector), MEANING_DEPTH, [], TIMEOUT_S)
            ranking_begun = time.perf_counter()
            fused(meant, ranked(question, found), LIMIT)
            taken["ranking and fusion of these"].append(time.perf_counter() - ranking_begun)
            if text == row.fields.name:
                taken["a name, both ways"].append(taken[kind][-1] + time.perf_counter() - meant_begun)
    return taken


def _words(row: Row) -> str:
    return " ".join(row.text.split()[:8])


def _one(vector: Vectors) -> Vectors:
    return np.asarray(vector[None])


def _spread(taken: Sequence[float]) -> str:
    p50, p95 = np.percentile([1000 * one for one in taken], (50, 95))
    return f"p50 {p50:6.1f} ms, p95 {p95:6.1f} ms"


if __name__ == "__main__":
    main()
