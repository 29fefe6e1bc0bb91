"""Profiles as long biographies have them: the work among sentences that say nothing of it."""

from __future__ import annotations

from collections.abc import Sequence

from distill.synthetic.draws import Draw

_FEWEST, _MOST = 3, 12


def among_asides(draw: Draw, text: str, asides: Sequence[str]) -> str:
    """The text with some of the asides before and after it."""
    said = draw.sample(asides, draw.between(_FEWEST, _MOST))
    before = draw.below(len(said) + 1)
    return " ".join((*said[:before], text, *said[before:]))
