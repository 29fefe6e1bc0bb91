"""The part of a profile's text that is nearest to a question. Cutting is pure; choosing embeds the parts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kith.deadline import Deadline
from workers.contract import Embedder, Vectors
from workers.kept_vectors import KeptVectors
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


class Passages:
    """Chooses parts for the questions of a micro-batch, for as long as that may take: it costs more than all the rest.

    Args:
        kept: vectors of parts that were chosen from before.
        most_s: for all questions of a call, seconds; the first one is always worked on. None: as long as it takes.
    """

    def __init__(self, kept: KeptVectors, most_s: float | None = None) -> None:
        self._kept = kept
        self._most_s = most_s

    def nearest(
        self, embedder: Embedder, model: str, queries: Sequence[Vectors], texts: Sequence[Sequence[str]]
    ) -> list[list[str] | None]:
        """For each query, the nearest part of each of its texts; None where the time was spent before its turn.

        Args:
            model: release of the embedder.
            queries: n vectors, float32 (dim,), unit length.
            texts: n lists of texts.
        """
        until = Deadline.after(self._most_s) if self._most_s is not None else None
        return [
            self._nearest(embedder, model, query, found) if until is None or not (number and until.expired()) else None
            for number, (query, found) in enumerate(zip(queries, texts, strict=True))
        ]

    def _nearest(self, embedder: Embedder, model: str, query: Vectors, texts: Sequence[str]) -> list[str]:
        parts = [parts_of(text) for text in texts]
        every = list(dict.fromkeys(part for candidates in parts for part in candidates))
        near = dict(zip(every, (self._kept.of(embedder, model, every) @ query).tolist(), strict=True))
        return [max(candidates, key=near.__getitem__) for candidates in parts]


def part_with_words(question: str, text: str) -> str:
    """The part of a text that holds the most of a question's words; the first of equals."""
    words = asked(question).words
    return max(parts_of(text), key=lambda part: _held(words, frozenset(words_of(part))))


def _held(words: Sequence[Sequence[str]], part: frozenset[str]) -> int:
    return sum(any(spelling in part for spelling in word) for word in words)
