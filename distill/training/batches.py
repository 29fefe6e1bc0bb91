"""Training batches: step n of a seed is always the same one, so that an interrupted run goes on unchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from distill.synthetic.draws import Draw
from distill.taxonomy import Occupation
from distill.training.material import Material, Translation
from distill.training.questions import Answered, draw_answered
from distill.training.translations import Translations

_CONFUSED_SHARE = 0.5
_SAME_OCCUPATION_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class QuestionBatch:
    """Questions and profiles.

    Attributes:
        items: question and right profile of each row.
        right: bool (n, n), whether column's profile answers row's question.
        left_out: bool (n, n), pairs that are neither right nor wrong: the occupation without what is asked besides.
    """

    items: tuple[Answered, ...]
    right: npt.NDArray[np.bool_]
    left_out: npt.NDArray[np.bool_]


class Batches:
    """Draws batches.

    Args:
        seed: of the run; the same seed and step give the same batch.
        words: of the encoder's vocabulary.
    """

    def __init__(self, material: Material, seed: int, words: Sequence[str]) -> None:
        self._material = material
        self._translations = Translations(material, words)
        self._by_id = {occupation.id: occupation for occupation in material.taxonomy.occupations}
        self._seed = seed

    def translations(self, step: int, count: int) -> list[Translation]:
        """So many translations for a step."""
        draw = Draw(f"translations:{self._seed}:{step}")
        return [self._translations.draw(draw) for _ in range(count)]

    def questions(self, step: int, count: int, confused: Mapping[str, Sequence[str]]) -> QuestionBatch:
        """So many questions for a step.

        Args:
            confused: by occupation, those whose profiles the model takes for its own: they come into one batch with
                it, so that their profiles are its negatives.
        """
        draw = Draw(f"questions:{self._seed}:{step}")
        items = tuple(draw_answered(draw, self._material, o) for o in self._occupations(draw, count, confused))
        right = np.array([[row.is_answered_by(column) for column in items] for row in items])
        near = np.array([[row.is_near(column) for column in items] for row in items])
        asks = np.array([item.city is not None or item.level is not None for item in items])
        # A question that asks for a place or a level must tell profiles of the occupation apart by it.
        left_out = near & ~right & ~asks[:, None]
        np.fill_diagonal(right, val=True)
        return QuestionBatch(items, right, left_out)

    def _occupations(self, draw: Draw, count: int, confused: Mapping[str, Sequence[str]]) -> list[Occupation]:
        known = self._material.taxonomy.occupations
        chosen: list[Occupation] = []
        while len(chosen) < count:
            occupation = draw.pick(known)
            chosen.append(occupation)
            if draw.chance(_SAME_OCCUPATION_SHARE):
                chosen.append(occupation)
            taken_for = confused.get(occupation.id, ())
            chosen.extend(self._by_id[other] for other in taken_for if draw.chance(_CONFUSED_SHARE))
        return chosen[:count]
