"""How fast the machine is at a moment: what the model embeds by itself, while nothing else of a measurement works."""

from __future__ import annotations

import time
from statistics import median

from distill.synthetic import synthetic_profiles
from kith import wiring
from kith.settings import Settings

# Some 0.5 to 2.5 seconds on a core: a figure that can stand before each step, and that one slow moment does not make.
PIECES, PIECE = 3, 64


class ModelAlone:
    """The release of an indexer in this process, which embeds the same texts whenever it is asked.

    A step that is slower by as much as this is slower for the machine's sake; one that is slower by more is not.
    """

    def __init__(self, settings: Settings) -> None:
        render = wiring.renderer(settings)
        self._embedder = wiring.embedder(settings)
        self._texts = [render(made.profile) for made in synthetic_profiles(PIECE, seed=5)]
        # The first call of a session is not like those after it.
        self._embedder.embed(self._texts)

    def texts_per_s(self) -> float:
        """Texts a second by the clock, median of some pieces."""
        rates = []
        for _ in range(PIECES):
            began = time.monotonic()
            self._embedder.embed(self._texts)
            rates.append(PIECE / (time.monotonic() - began))
        return round(median(rates), 1)
