"""A micro-batch in pieces of bounded size. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_ItemT = TypeVar("_ItemT")

# Word pieces of the WordPiece vocabulary in use are about 4 characters of English; only a bound hangs on it.
_CHARS_PER_TOKEN = 4


def estimated_tokens(text: str) -> int:
    """About how many tokens a text has, from its length."""
    return len(text) // _CHARS_PER_TOKEN + 2


def bounded(
    items: Iterable[_ItemT], tokens: Callable[[_ItemT], int], max_items: int, max_tokens: int
) -> Iterator[list[_ItemT]]:
    """Cut items into runs of at most `max_items` and `max_tokens`; an item above `max_tokens` runs alone."""
    piece: list[_ItemT] = []
    used = 0
    for item in items:
        cost = tokens(item)
        if piece and (len(piece) >= max_items or used + cost > max_tokens):
            yield piece
            piece, used = [], 0
        piece.append(item)
        used += cost
    if piece:
        yield piece
