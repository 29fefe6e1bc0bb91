"""What of a micro-batch is worked on: newest change per profile, in pieces of bounded size. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from streams.incoming import Change

_ItemT = TypeVar("_ItemT")

# Word pieces of the WordPiece vocabulary in use are about 4 characters of English; only a bound hangs on it.
_CHARS_PER_TOKEN = 4


def estimated_tokens(text: str) -> int:
    """About how many tokens a text has, from its length."""
    return len(text) // _CHARS_PER_TOKEN + 2


def newest_per_profile(changes: Iterable[Change]) -> tuple[list[Change], list[Change]]:
    """Part changes, given in order of their offsets, into the one per profile that counts and the others.

    A later record wins unless its version is lower than that of the one before it. A tombstone has no version: it
    wins over what came before it, and anything that comes after wins over it.

    Returns:
        Winners with unique profile ids in order of arrival, and losers.
    """
    winners: dict[str, Change] = {}
    losers: list[Change] = []
    for change in changes:
        held = winners.get(change.profile_id)
        if held is not None and _older(change, held):
            losers.append(change)
            continue
        if held is not None:
            losers.append(winners.pop(change.profile_id))
        winners[change.profile_id] = change
    return list(winners.values()), losers


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


def _older(change: Change, held: Change) -> bool:
    return change.version is not None and held.version is not None and change.version < held.version
