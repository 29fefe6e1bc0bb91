"""Questions against one collection, with the model of its vectors: embed, search, shape. Knows nothing of Kafka."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from kith import metrics, span_names
from kith.errors import InputError, KithError, ReleaseError
from schemas.search_records import AppliedRecord, ReplyHit, ReplyStatus, SearchMode, SearchReply, SearchRequest
from workers.contract import CollectionInfo, Embedder, Hit, Index, Vectors
from workers.hybrid_search import Found, Question, by_the_index, mode_of
from workers.kept_vectors import KeptVectors
from workers.load import MATCHED_TEXT
from workers.matched_text import Passages, part_with_words, shortened
from workers.resolved_request import conditions
from workers.traced_request import stage
from workers.watermark import holds

# Each hit costs an embedding of its sentences; further hits get the beginning of their text.
MOST_MATCHED = 10
_BY_MEANING = (SearchMode.SEMANTIC, SearchMode.HYBRID)
# To the index at a time: requests with filters of their own, and the words and the meaning of one question.
_CALLS = 16
_NOT_YET = "The index does not hold yet what at_least names."


@dataclass(frozen=True, slots=True)
class Arm:
    """A collection and the model of its vectors: they are only ever handed on together.

    Raises:
        ReleaseError: the release on this machine makes vectors of another length.
        InputError: the collection lacks fields that every search filters on.
    """

    collection: CollectionInfo
    embedder: Embedder

    def __post_init__(self) -> None:
        self.collection.require_whole()
        if self.embedder.dim != self.collection.dim:
            raise ReleaseError(
                f"The release {self.collection.model} here gives vectors of {self.embedder.dim}, "
                f"{self.collection.name} holds {self.collection.dim}.",
                "Put the release here that the collection was made with.",
            )


class Retrieval:
    """Searches one index. Safe for several threads.

    Args:
        timeout_s: for all of a call's work in the index, seconds.
        watermark: by release, the last records of the change stream that its index holds.
        kept: vectors of questions that were asked before.
        passages: chooses the matched text of hits.
    """

    def __init__(
        self,
        index: Index,
        timeout_s: float,
        watermark: Callable[[str], list[AppliedRecord]] = lambda _model: [],
        kept: KeptVectors | None = None,
        passages: Passages | None = None,
    ) -> None:
        self._index = index
        self._timeout_s = timeout_s
        self._watermark = watermark
        self._vectors = KeptVectors(0) if kept is None else kept
        self._passages = Passages(KeptVectors(0, "passage")) if passages is None else passages
        self._calls = ThreadPoolExecutor(_CALLS, "search")

    def answer(self, arm: Arm, requests: Sequence[SearchRequest]) -> list[SearchReply]:
        """One reply per request, in order; blocking. Never raises for a request's content or a part that is away."""
        # Asked before the search: what the index holds by then it shows.
        watermark = self._watermark(arm.collection.model)
        held = [place for place, request in enumerate(requests) if holds(watermark, request.at_least)]
        replies = dict.fromkeys(range(len(requests)), SearchReply(ReplyStatus.NOT_YET, _NOT_YET))
        if held:
            replies |= dict(zip(held, self._answer(arm, [requests[place] for place in held]), strict=True))
        return [replace(replies[place], watermark=watermark) for place in range(len(requests))]

    def _answer(self, arm: Arm, requests: Sequence[SearchRequest]) -> list[SearchReply]:
        modes = [_mode(arm.collection, request) for request in requests]
        # A question that is answered by its words alone costs no embedding.
        meant = [place for place, mode in enumerate(modes) if mode in _BY_MEANING]
        started = time.perf_counter()
        try:
            with stage(span_names.EMBED, [requests[place] for place in meant]):
                embedded = self._embedded(arm, [requests[place].query for place in meant])
        except InputError as error:
            # The query that cannot be embedded must not take the others with it.
            return (
                [bad_request(str(error))] if len(requests) == 1 else [self._answer(arm, [one])[0] for one in requests]
            )
        embed_ms = (time.perf_counter() - started) * 1000
        if meant:
            metrics.SEARCH_EMBED_SECONDS.observe(embed_ms / 1000)
        vectors = dict(zip(meant, embedded, strict=True))
        found = self._find(requests, modes, vectors, arm.collection.name)
        texts, too_late = self._matched(arm, requests, vectors, found)
        return [
            replace(
                _reply(request, one, texts[place], arm.collection, embed_ms if place in vectors else 0.0),
                degraded=[MATCHED_TEXT] if place in too_late else [],
            )
            if isinstance(one, _Searched)
            else one
            for place, (request, one) in enumerate(zip(requests, found, strict=True))
        ]

    def _embedded(self, arm: Arm, queries: Sequence[str]) -> list[Vectors]:
        return list(self._vectors.of(arm.embedder, arm.collection.model, queries)) if queries else []

    def _find(
        self,
        requests: Sequence[SearchRequest],
        modes: Sequence[SearchMode | SearchReply],
        vectors: Mapping[int, Vectors],
        collection: str,
    ) -> list[_Searched | SearchReply]:
        questions = {
            place: Question(
                request.query,
                one,
                vectors.get(place),
                request.offset + request.limit,
                conditions(request),
                bool(request.at_least),
            )
            for place, (request, one) in enumerate(zip(requests, modes, strict=True))
            if isinstance(one, SearchMode)
        }
        with stage(span_names.SEARCH, [requests[place] for place in questions]):
            found = by_the_index(self._index, collection, list(questions.values()), self._timeout_s, self._calls)
        searched = {
            place: _refused(one) if isinstance(one, KithError) else _page(requests[place], question.mode, one)
            for (place, question), one in zip(questions.items(), found, strict=True)
        }
        return [one if isinstance(one, SearchReply) else searched[place] for place, one in enumerate(modes)]

    def _matched(
        self,
        arm: Arm,
        requests: Sequence[SearchRequest],
        vectors: Mapping[int, Vectors],
        found: Sequence[_Searched | SearchReply],
    ) -> tuple[list[list[str]], Collection[int]]:
        """What is shown of each hit; and which requests there was no time for, so that it is the text's beginning."""
        texts = [one.texts if isinstance(one, _Searched) else [] for one in found]
        matched = [[shortened(text) for text in some] for some in texts]
        wanted = [place for place, request in enumerate(requests) if request.with_matched_text and texts[place]]
        for place in wanted:
            if place not in vectors:
                matched[place] = [part_with_words(requests[place].query, text) for text in texts[place]]
        meant = [place for place in wanted if place in vectors]
        nearest = self._passages.nearest(
            arm.embedder,
            arm.collection.model,
            [vectors[place] for place in meant],
            [texts[place][:MOST_MATCHED] for place in meant],
        )
        chosen = {place: parts for place, parts in zip(meant, nearest, strict=True) if parts is not None}
        for place, parts in chosen.items():
            matched[place][: len(parts)] = parts
        return matched, set(meant) - chosen.keys()


@dataclass(frozen=True, slots=True)
class _Searched:
    """What was found, and in which mode."""

    mode: SearchMode
    found: Found

    @property
    def texts(self) -> list[str]:
        """Texts of the hits, in order."""
        return [one.hit.text for one in self.found.hits]


def _page(request: SearchRequest, mode: SearchMode, found: Found) -> _Searched:
    return _Searched(mode, replace(found, hits=found.hits[request.offset :]))


def bad_request(reason: str) -> SearchReply:
    """This request will never succeed."""
    return SearchReply(ReplyStatus.BAD_REQUEST, reason)


def unavailable(error: KithError) -> SearchReply:
    """A part is away: ask again."""
    return SearchReply(ReplyStatus.UNAVAILABLE, str(error))


def _mode(collection: CollectionInfo, request: SearchRequest) -> SearchMode | SearchReply:
    try:
        return mode_of(collection, request.query, request.mode)
    except InputError as error:
        return bad_request(str(error))


def _refused(error: KithError) -> SearchReply:
    return bad_request(str(error)) if isinstance(error, InputError) else unavailable(error)


def _reply(
    request: SearchRequest, searched: _Searched, matched: Sequence[str], collection: CollectionInfo, embed_ms: float
) -> SearchReply:
    hits = [_hit(one.hit, text) for one, text in zip(searched.found.hits, matched, strict=True)]
    if request.explain:
        hits = [replace(hit, explanation=one.why) for hit, one in zip(hits, searched.found.hits, strict=True)]
    return SearchReply(
        ReplyStatus.OK,
        hits=hits,
        model=collection.model,
        collection=collection.name,
        embed_ms=embed_ms,
        search_ms=searched.found.search_ms,
        mode=searched.mode.value,
    )


def _hit(hit: Hit, matched: str) -> ReplyHit:
    fields = hit.fields
    return ReplyHit(
        profile_id=hit.profile_id,
        version=hit.version,
        score=hit.score,
        name=fields.name,
        headline=fields.headline,
        location=fields.location,
        country=fields.country,
        industry=fields.industry,
        seniority=fields.seniority,
        matched_text=matched,
    )
