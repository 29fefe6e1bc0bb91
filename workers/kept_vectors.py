"""Vectors of short texts, kept for when they come again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from kith import metrics
from workers.contract import Embedder, Vectors


class KeptVectors:
    """Embeds texts, each distinct one of a call once, and keeps the last ones by model. Safe for several threads.

    Args:
        most: vectors kept, of all models together; 0 keeps none. One takes 4 x dim bytes.
        of: what the texts are, for the metric.
    """

    def __init__(self, most: int, of: str = "question") -> None:
        self._most = most
        self._counted = {found: metrics.SEARCH_CACHED.labels(of=of, found=found) for found in ("yes", "no")}
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[str, str], Vectors] = OrderedDict()

    def of(self, embedder: Embedder, model: str, texts: Sequence[str]) -> Vectors:
        """Vectors of these texts, float32 (len(texts), dim).

        Args:
            model: release of the embedder; vectors of one never answer for another.

        Raises:
            kith.errors.InputError: one of those that are not kept cannot be embedded.
        """
        found = self._kept(model, texts)
        new = [text for text in dict.fromkeys(texts) if text not in found]
        self._counted["yes"].inc(len(texts) - len(new))
        self._counted["no"].inc(len(new))
        if new:
            embedded = embedder.embed(new)
            found |= dict(zip(new, embedded, strict=True))
            self._keep(model, new, embedded)
        return np.stack([found[text] for text in texts])

    def _kept(self, model: str, texts: Sequence[str]) -> dict[str, Vectors]:
        with self._lock:
            found = {text: self._held[model, text] for text in texts if (model, text) in self._held}
            for text in found:
                self._held.move_to_end((model, text))
        return found

    def _keep(self, model: str, texts: Sequence[str], vectors: Vectors) -> None:
        with self._lock:
            for text, vector in zip(texts, vectors, strict=True):
                # A copy: a row would keep the whole call's vectors alive.
                self._held[model, text] = vector.copy()
            while len(self._held) > self._most:
                self._held.popitem(last=False)
