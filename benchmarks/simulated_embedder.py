"""An embedder that sleeps instead of computing: what is left of an indexer is its coordination."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Sequence

import numpy as np

from kith.services.process import pause
from workers.contract import Vectors
from workers.embedding import RunsOn


class SimulatedEmbedder:
    """Implements `kith.wiring_indexer.PlacedEmbedder`. One call sleeps at a time, as one model would compute.

    Args:
        dim: length of a vector.
        ms_per_text: how long a text takes, milliseconds.
    """

    def __init__(self, dim: int, ms_per_text: float) -> None:
        self._dim = dim
        self._s_per_text = ms_per_text / 1000
        self._one_at_a_time = threading.Lock()

    @property
    def dim(self) -> int:
        """See `workers.contract.Embedder.dim`."""
        return self._dim

    @property
    def runs_on(self) -> RunsOn:
        """Nowhere."""
        return RunsOn("simulated", "none", "none", 1, 1)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `workers.contract.Embedder.embed`; the same text gives the same vector."""
        with self._one_at_a_time:
            pause(self._s_per_text * len(texts))
        drawn = [np.random.default_rng(zlib.crc32(text.encode())).standard_normal(self._dim) for text in texts]
        vectors = np.array(drawn, dtype=np.float32).reshape(len(texts), self._dim)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)
