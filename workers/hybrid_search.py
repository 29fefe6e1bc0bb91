"""Questions to hits, each by meaning, by words or both: what asks alike goes to the index in one call."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from kith import metrics
from kith.deadline import Deadline
from kith.errors import InputError, KithError
from schemas.search_records import SearchMode
from workers.contract import Asked, CollectionInfo, Filter, Hit, Index, Vectors, WordHit
from workers.fusion import Explained, by_meaning, by_words, fused
from workers.keyword_ranking import ranked
from workers.query_router import route
from workers.words import asked

_FoundT = TypeVar("_FoundT")

# Candidates that are put in order by their words, and those of meaning that are fused with them: twice as many changed
# figures of `benchmarks.hybrid` by 0.001.
WORDS_DEPTH = 50
MEANING_DEPTH = 50


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the index.

    Attributes:
        mode: never auto.
        vector: float32 (dim,) of the text; None where the mode needs none.
        limit: most hits wanted.
        newest: see every write that was acknowledged before.
    """

    text: str
    mode: SearchMode
    vector: Vectors | None
    limit: int
    filters: tuple[Filter, ...]
    newest: bool


@dataclass(frozen=True, slots=True)
class Found:
    """Hits of one question, best first, and the time that the index took for them."""

    hits: list[Explained]
    search_ms: float


@dataclass(frozen=True, slots=True)
class _Alike:
    """What searches of one call have in common."""

    limit: int
    filters: tuple[Filter, ...]
    newest: bool


@dataclass(frozen=True, slots=True)
class _Raw(Generic[_FoundT]):
    hits: list[_FoundT]
    search_ms: float


def mode_of(collection: CollectionInfo, question: str, mode: SearchMode) -> SearchMode:
    """How a question is answered by a collection; never auto.

    Raises:
        kith.errors.InputError: a mode that was asked for by name needs words, and the collection has none.
    """
    if collection.keywords:
        return route(question) if mode is SearchMode.AUTO else mode
    if mode in {SearchMode.KEYWORD, SearchMode.HYBRID}:
        raise InputError(
            f"The collection {collection.name} cannot be searched by words, so not in the mode {mode.value}.",
            "Ask in the mode semantic or auto.",
        )
    return SearchMode.SEMANTIC


def by_the_index(
    index: Index, collection: str, questions: Sequence[Question], timeout_s: float, calls: ThreadPoolExecutor
) -> list[Found | KithError]:
    """What each question finds, in order, or why it could not be searched; never raises that.

    Args:
        timeout_s: for all of it, seconds.
        calls: runs calls to the index side by side: one that waits for the newest writes holds up no other.
    """
    deadline = Deadline.after(timeout_s)
    meant = {place: one for place, one in enumerate(questions) if one.mode is not SearchMode.KEYWORD}
    meaning = _in_few_calls(
        {place: _alike(one, MEANING_DEPTH) for place, one in meant.items()},
        lambda places, alike: index.search(
            collection,
            np.stack([_vector(meant[place]) for place in places]),
            alike.limit,
            alike.filters,
            deadline.remaining(),
            newest=alike.newest,
        ),
        calls,
    )
    worded = {place: asked(one.text) for place, one in enumerate(questions) if one.mode is not SearchMode.SEMANTIC}
    words = _in_few_calls(
        {place: _alike(questions[place], WORDS_DEPTH) for place in worded},
        lambda places, alike: index.search_words(
            collection,
            [worded[place] for place in places],
            alike.limit,
            alike.filters,
            deadline.remaining(),
            newest=alike.newest,
        ),
        calls,
    )
    semantic, keyword = meaning(), words()
    return [
        _together(one, semantic.get(place), keyword.get(place), worded.get(place))
        for place, one in enumerate(questions)
    ]


def _together(
    question: Question,
    semantic: _Raw[Hit] | KithError | None,
    keyword: _Raw[WordHit] | KithError | None,
    words: Asked | None,
) -> Found | KithError:
    if isinstance(semantic, KithError):
        return semantic
    if isinstance(keyword, KithError):
        return keyword
    if keyword is None or words is None:
        return Found(by_meaning(semantic.hits), semantic.search_ms) if semantic else Found([], 0.0)
    in_order = ranked(words, keyword.hits)
    if semantic is None:
        return Found(by_words(in_order, question.limit), keyword.search_ms)
    hits = fused(semantic.hits, in_order, question.limit)
    return Found(hits, semantic.search_ms + keyword.search_ms)


def _alike(question: Question, depth: int) -> _Alike:
    limit = question.limit if question.mode is SearchMode.SEMANTIC else max(depth, question.limit)
    return _Alike(limit, question.filters, question.newest)


def _vector(question: Question) -> Vectors:
    if question.vector is None:
        raise AssertionError("A question that is answered by meaning has no vector. This is a bug.")
    return question.vector


def _in_few_calls(
    wanted: Mapping[int, _Alike],
    search: Callable[[Sequence[int], _Alike], Sequence[list[_FoundT]]],
    calls: ThreadPoolExecutor,
) -> Callable[[], dict[int, _Raw[_FoundT] | KithError]]:
    """Begin the calls, one for each group of what asks alike; what is given back waits for what they found."""
    together: dict[_Alike, list[int]] = defaultdict(list)
    for place, alike in wanted.items():
        together[alike].append(place)
    begun = [(places, calls.submit(_timed, search, places, alike)) for alike, places in together.items()]

    def found() -> dict[int, _Raw[_FoundT] | KithError]:
        every: dict[int, _Raw[_FoundT] | KithError] = {}
        for places, call in begun:
            try:
                hits, search_s = call.result()
            except KithError as error:
                every |= dict.fromkeys(places, error)
                continue
            every |= {place: _Raw(some, search_s * 1000) for place, some in zip(places, hits, strict=True)}
        return every

    return found


def _timed(
    search: Callable[[Sequence[int], _Alike], Sequence[list[_FoundT]]], places: Sequence[int], alike: _Alike
) -> tuple[Sequence[list[_FoundT]], float]:
    started = time.perf_counter()
    hits = search(places, alike)
    search_s = time.perf_counter() - started
    metrics.SEARCH_INDEX_SECONDS.observe(search_s)
    return hits, search_s
