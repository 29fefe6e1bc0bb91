"""Vectors of questions, kept for those that are asked again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from kith import metrics
from workers.contract import Embedder, Vectors


class QueryVectors:
    """Embeds questions, each distinct one of a call once, and keeps the last ones by model. Safe for several threads.

    Args:
        most: vectors kept, of all models together; 0 keeps none. One takes 4 x dim bytes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[str, str], Vectors] = OrderedDict()

    def of(self, embedder: Embedder, model: str, queries: Sequence[str]) -> Vectors:
        """Vectors of these questions, float32 (len(queries), dim).

        Args:
            model: release of the embedder; vectors of one never answer for another.

        Raises:
            kith.errors.InputError: one of those that are not kept cannot be embedded.
        """
        found = self._kept(model, queries)
        new = [query for query in dict.fromkeys(queries) if query not in found]
        metrics.SEARCH_CACHED.labels(found="yes").inc(len(queries) - len(new))
        metrics.SEARCH_CACHED.labels(found="no").inc(len(new))
        if new:
            embedded = embedder.embed(new)
            found |= dict(zip(new, embedded, strict=True))
            self._keep(model, new, embedded)
        return np.stack([found[query] for query in queries])

    def _kept(self, model: str, queries: Sequence[str]) -> dict[str, Vectors]:
        with self._lock:
            found = {query: self._held[model, query] for query in queries if (model, query) in self._held}
            for query in found:
                self._held.move_to_end((model, query))
        return found

    def _keep(self, model: str, queries: Sequence[str], vectors: Vectors) -> None:
        with self._lock:
            for query, vector in zip(queries, vectors, strict=True):
                # A copy: a row would keep the whole micro-batch alive.
                self._held[model, query] = vector.copy()
            while len(self._held) > self._most:
                self._held.popitem(last=False)
