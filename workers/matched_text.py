"""The part of a profile's text that is nearest to a question. Cutting is pure; choosing embeds the parts once."""

from __future__ import annotations

import re
from collections.abc import Sequence

from workers.contract import Embedder, Vectors
from workers.words import asked, words_of

MAX_PARTS = 8
MAX_PART_CHARS = 200

# Chinese and Japanese put no space after a sentence; theirs are the full-width marks.
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。\uff01\uff1f])\s*")


def parts_of(text: str) -> list[str]:
    """The sentences of a text: at most `MAX_PARTS`, each at most `MAX_PART_CHARS` characters, never none."""
    sentences = [sentence.strip() for sentence in _SENTENCE_END.split(text)]
    parts = [shortened(sentence) for sentence in sentences if sentence]
    return parts[:MAX_PARTS] or [""]


def shortened(text: str) -> str:
    """The beginning of a text, cut between words, at most `MAX_PART_CHARS` characters with the ellipsis."""
    if len(text) <= MAX_PART_CHARS:
        return text
    cut = text[: MAX_PART_CHARS - 1]
    return (cut.rsplit(" ", 1)[0] or cut) + "…"


def nearest_parts(embedder: Embedder, queries: Vectors, texts: Sequence[Sequence[str]]) -> list[list[str]]:
    """For each query, the nearest part of each of its texts.

    Args:
        queries: float32 (n, dim), unit length.
        texts: n lists of texts; all their parts are embedded in one call, equal ones once.
    """
    parts = [[parts_of(text) for text in found] for found in texts]
    distinct = list(dict.fromkeys(part for found in parts for candidates in found for part in candidates))
    place = {part: row for row, part in enumerate(distinct)}
    scores = embedder.embed(distinct) @ queries.T
    return [
        [max(candidates, key=lambda part: float(scores[place[part], query])) for candidates in found]
        for query, found in enumerate(parts)
    ]


def part_with_words(question: str, text: str) -> str:
    """The part of a text that holds the most of a question's words; the first of equals."""
    words = asked(question).words
    return max(parts_of(text), key=lambda part: _held(words, frozenset(words_of(part))))


def _held(words: Sequence[Sequence[str]], part: frozenset[str]) -> int:
    return sum(any(spelling in part for spelling in word) for word in words)
