"""Hard negatives: the occupations whose profiles the current model takes for right, against the policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from distill.synthetic.draws import Draw
from distill.training.material import Material
from distill.training.questions import draw_answered

_QUESTIONS_EACH = 3
_MOST_CONFUSED = 4
# Titles as near as this name adjacent occupations, which the policy grades above wrong.
_ADJACENT = 0.8

Embed = Callable[[Sequence[str]], npt.NDArray[np.float32]]


def adjacent_occupations(material: Material, embed: Embed) -> npt.NDArray[np.bool_]:
    """Which occupations are too near to be each other's negatives, bool (n, n), by their English titles."""
    vectors = embed([occupation.titles["mid"] for occupation in material.taxonomy.occupations])
    return np.asarray(vectors @ vectors.T >= _ADJACENT)


def mine_confused(
    material: Material, embed: Embed, adjacent: npt.NDArray[np.bool_], draw: Draw
) -> dict[str, list[str]]:
    """For each occupation those whose profile beats its own for one of its questions, worst first.

    Args:
        embed: texts to float32 (n, dim) of unit length, by the current model.
        adjacent: bool (n, n), pairs that do not count.
    """
    occupations = material.taxonomy.occupations
    drawn = [draw_answered(draw, material, o) for o in occupations for _ in range(_QUESTIONS_EACH)]
    questions = embed([item.question for item in drawn])
    profiles = embed([item.profile for item in drawn[::_QUESTIONS_EACH]])
    scores = questions @ profiles.T
    rows = np.arange(len(drawn))
    over = scores - scores[rows, rows // _QUESTIONS_EACH][:, None]
    worst = over.reshape(len(occupations), _QUESTIONS_EACH, -1).max(axis=1)
    worst[adjacent] = -np.inf
    confused = {}
    for at, occupation in enumerate(occupations):
        order = np.argsort(-worst[at], kind="stable")[:_MOST_CONFUSED]
        confused[occupation.id] = [occupations[other].id for other in order if worst[at, other] > 0]
    return confused
