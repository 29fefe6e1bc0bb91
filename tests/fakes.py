"""An index and an embedder that live in memory, for tests of what stands above them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from kith.errors import ReleaseError, Unavailable
from schemas.search_records import FilterOperator
from workers.contract import Asked, Embedder, Filter, HeldVector, Hit, OwnOperator, Row, Vectors, WordHit
from workers.filters import expression
from workers.keyword_ranking import ranked
from workers.serving_models import ServingModels
from workers.words import profile_words

DIM = 16


class BagOfWordsEmbedder:
    """Texts that share words are near; deterministic."""

    dim = DIM

    def __init__(self) -> None:
        self.calls: list[int] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.calls.append(len(texts))
        rows = np.full((len(texts), DIM), 1e-3, dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.lower().replace(".", " ").replace("?", " ").split():
                row[sum(word.encode()) % DIM] += 1
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def serving(embedder: Embedder, model: str = "student-v0") -> ServingModels:
    """Models of which one is loaded; no other release is anywhere."""

    def load(name: str) -> Embedder:
        if name != model:
            raise ReleaseError(f"There is no release {name}.")
        return embedder

    models = ServingModels(load)
    models.load_now(model)
    return models


class BruteForceIndex:
    """Every row in a dict; `away` makes searches unavailable."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.away = False
        self.searches = 0
        self.word_searches = 0
        self.newest: list[bool] = []
        # What reads see that do not ask for the newest; None: the same.
        self.a_moment_ago: dict[str, Row] | None = None

    def upsert(self, collection: str, rows: Sequence[Row], timeout_s: float) -> None:
        self.rows |= {row.profile_id: row for row in rows}

    def delete(self, collection: str, profile_ids: Sequence[str], timeout_s: float) -> None:
        for profile_id in profile_ids:
            self.rows.pop(profile_id, None)

    def search(
        self,
        collection: str,
        vectors: Vectors,
        limit: int,
        filters: Sequence[Filter],
        timeout_s: float,
        *,
        newest: bool = False,
    ) -> list[list[Hit]]:
        self.searches += 1
        self.newest.append(newest)
        if self.away:
            raise Unavailable("The index is away.")
        expression(filters)  # refuses what the real one refuses
        kept = [row for row in self.rows.values() if all(_holds(row, one) for one in filters)]
        return [self._nearest(vector, kept, limit) for vector in vectors]

    def search_words(
        self,
        collection: str,
        questions: Sequence[Asked],
        limit: int,
        filters: Sequence[Filter],
        timeout_s: float,
        *,
        newest: bool = False,
    ) -> list[list[WordHit]]:
        self.word_searches += 1
        if self.away:
            raise Unavailable("The index is away.")
        expression(filters)  # refuses what the real one refuses
        kept = [row for row in self.rows.values() if all(_holds(row, one) for one in filters)]
        found = [WordHit(_hit(row, 0.0), profile_words(row.fields.name, row.text)) for row in kept]
        words = {one.hit.profile_id: one.words for one in found}
        best = [ranked(question, found)[:limit] for question in questions]
        return [[WordHit(one.hit, words[one.hit.profile_id]) for one in some] for some in best]

    def versions(self, collection: str, profile_ids: Sequence[str], timeout_s: float) -> dict[str, int]:
        return {one: self.rows[one].version for one in profile_ids if one in self.rows}

    def vectors(
        self, collection: str, profile_ids: Sequence[str], timeout_s: float, *, newest: bool = True
    ) -> dict[str, HeldVector]:
        self.newest.append(newest)
        rows = self.rows if newest or self.a_moment_ago is None else self.a_moment_ago
        return {one: HeldVector(rows[one].text, rows[one].vector) for one in profile_ids if one in rows}

    def count(self, collection: str, timeout_s: float) -> int:
        return len(self.rows)

    def _nearest(self, vector: np.ndarray, rows: Sequence[Row], limit: int) -> list[Hit]:
        hits = [_hit(row, float(row.vector @ vector)) for row in rows]
        return sorted(hits, key=lambda hit: -hit.score)[:limit]


def _hit(row: Row, score: float) -> Hit:
    return Hit(row.profile_id, row.version, score, row.fields, row.text)


def _holds(row: Row, condition: Filter) -> bool:
    if condition.field == "years":
        return _worked(row, condition)
    held = row.profile_id if condition.field == "profile_id" else getattr(row.fields, condition.field)
    among = [value in condition.values for value in ([held] if isinstance(held, str) else held)]
    match condition.operator:
        case FilterOperator.NOT_IN:
            return not any(among)
        case FilterOperator.CONTAINS_ALL:
            return set(condition.values) <= set(held)
        case OwnOperator.STARTS_WITH:
            return any(held == value or held.startswith(f"{value},") for value in condition.values)
        case _:
            return any(among)


def _worked(row: Row, condition: Filter) -> bool:
    since = row.fields.career_since
    years = datetime.now(UTC).year - since
    least = condition.operator is FilterOperator.AT_LEAST
    return since > 0 and (years >= int(condition.values[0]) if least else years <= int(condition.values[0]))
