"""Profiles that hold words of a question, in order: BM25 over what was found, neighbours counted as words. Pure.

Milvus Lite scores each of its segments by that segment's own statistics, so its scores do not compare, and a profile
that was just written ranks last. Here all are scored alike.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from workers.contract import Asked, Hit, WordHit
from workers.words import joined_pairs

# Robertson and Zaragoza (2009). Long profiles are not about more things than short ones, so length counts for little.
K1 = 1.2
B = 0.3


@dataclass(frozen=True, slots=True)
class Ranked:
    """A profile found by words.

    Attributes:
        hit: its `score` is BM25, 0 or more; only scores of one question compare.
        coverage: share of the question's words that the profile holds, 0 to 1.
        is_named: two words that stand together in the question stand together in the person's name.
        has_phrase: all words of a question of two or more stand together in the profile, as asked for.
    """

    hit: Hit
    coverage: float
    is_named: bool = False
    has_phrase: bool = False


@dataclass(frozen=True, slots=True)
class _Document:
    words: frozenset[str]
    terms: Counter[str]
    length: int


def ranked(question: Asked, found: Sequence[WordHit]) -> list[Ranked]:
    """The profiles found, best first; equal ones in the order of their ids. Who holds none of the words is left out.

    BM25 with the statistics of `found` in place of the collection's: its terms are the question's words, and its
    neighbouring words joined, so that a name or a company that stands there as asked for comes first.
    """
    documents = [_document(one.words) for one in found]
    terms = [*question.words, *((joined,) for joined in dict.fromkeys((*question.pairs, *question.names)))]
    scores = _bm25(terms, documents)
    order = sorted(range(len(found)), key=lambda place: (-scores[place], found[place].hit.profile_id))
    return [
        _ranked(question, replace(found[place].hit, score=scores[place]), documents[place])
        for place in order
        if scores[place] > 0
    ]


def _document(words: str) -> _Document:
    split = words.split()
    return _Document(frozenset(split), Counter(split) + Counter(joined_pairs(split)), len(split))


def _bm25(terms: Sequence[tuple[str, ...]], documents: Sequence[_Document]) -> list[float]:
    scores = [0.0] * len(documents)
    mean_length = sum(document.length for document in documents) / max(1, len(documents))
    for term in terms:
        counts = [max(document.terms[spelling] for spelling in term) for document in documents]
        holding = sum(count > 0 for count in counts)
        weight = math.log(1 + (len(documents) - holding + 0.5) / (holding + 0.5))
        for place, count in enumerate(counts):
            if count:
                length = 1 - B + B * documents[place].length / mean_length
                scores[place] += weight * count * (K1 + 1) / (count + K1 * length)
    return scores


def _ranked(question: Asked, hit: Hit, document: _Document) -> Ranked:
    held = sum(any(spelling in document.words for spelling in word) for word in question.words)
    return Ranked(
        hit,
        held / len(question.words),
        is_named=not question.sure_names.isdisjoint(document.words),
        has_phrase=bool(question.pairs) and all(joined in document.terms for joined in question.pairs),
    )
