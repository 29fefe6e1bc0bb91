"""Questions against one collection, with the model of its vectors: embed, search, shape. Knows nothing of Kafka."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from kith import metrics
from kith.deadline import Deadline
from kith.errors import InputError, KithError, ReleaseError
from schemas.search_records import AppliedRecord, ReplyHit, ReplyStatus, SearchReply, SearchRequest
from workers.contract import CollectionInfo, Embedder, Filter, Hit, Index, Vectors
from workers.matched_text import nearest_parts, shortened
from workers.query_vectors import QueryVectors
from workers.resolved_request import conditions
from workers.watermark import holds

# Each hit costs an embedding of its sentences; further hits get the beginning of their text.
MOST_MATCHED = 10
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


@dataclass(frozen=True, slots=True)
class _Searched:
    hits: list[Hit]
    search_ms: float


class Retrieval:
    """Searches one index. Safe for several threads.

    Args:
        timeout_s: for all of a call's work in the index, seconds.
        watermark: by release, the last records of the change stream that its index holds.
        kept: vectors of questions that were asked before.
    """

    def __init__(
        self,
        index: Index,
        timeout_s: float,
        watermark: Callable[[str], list[AppliedRecord]] = lambda _model: [],
        kept: QueryVectors | None = None,
    ) -> None:
        self._index = index
        self._timeout_s = timeout_s
        self._watermark = watermark
        self._vectors = QueryVectors(0) if kept is None else kept

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
        started = time.perf_counter()
        try:
            queries = [request.query for request in requests]
            vectors = self._vectors.of(arm.embedder, arm.collection.model, queries)
        except InputError as error:
            # The query that cannot be embedded must not take the others with it.
            return (
                [bad_request(str(error))] if len(requests) == 1 else [self._answer(arm, [one])[0] for one in requests]
            )
        embed_ms = (time.perf_counter() - started) * 1000
        metrics.SEARCH_EMBED_SECONDS.observe(embed_ms / 1000)
        found = self._find(requests, vectors, arm.collection.name)
        texts = _matched(arm.embedder, requests, vectors, found)
        return [
            _reply(one, matched, arm.collection, embed_ms) if isinstance(one, _Searched) else one
            for one, matched in zip(found, texts, strict=True)
        ]

    def _find(
        self, requests: Sequence[SearchRequest], vectors: Vectors, collection: str
    ) -> list[_Searched | SearchReply]:
        # Requests that ask alike go to the index in one call.
        alike: dict[tuple[int, int, tuple[Filter, ...], bool], list[int]] = defaultdict(list)
        for place, request in enumerate(requests):
            alike[request.offset, request.limit, conditions(request), bool(request.at_least)].append(place)
        deadline = Deadline.after(self._timeout_s)
        found: dict[int, _Searched | SearchReply] = {}
        for (offset, limit, filters, newest), places in alike.items():
            started = time.perf_counter()
            try:
                left = deadline.remaining()
                hits = self._index.search(collection, vectors[places], offset + limit, filters, left, newest=newest)
            except InputError as error:
                found |= dict.fromkeys(places, bad_request(str(error)))
                continue
            except KithError as error:
                found |= dict.fromkeys(places, unavailable(error))
                continue
            search_ms = (time.perf_counter() - started) * 1000
            metrics.SEARCH_INDEX_SECONDS.observe(search_ms / 1000)
            found |= {place: _Searched(one[offset:], search_ms) for place, one in zip(places, hits, strict=True)}
        return [found[place] for place in range(len(requests))]


def bad_request(reason: str) -> SearchReply:
    """This request will never succeed."""
    return SearchReply(ReplyStatus.BAD_REQUEST, reason)


def unavailable(error: KithError) -> SearchReply:
    """A part is away: ask again."""
    return SearchReply(ReplyStatus.UNAVAILABLE, str(error))


def _matched(
    embedder: Embedder, requests: Sequence[SearchRequest], vectors: Vectors, found: Sequence[_Searched | SearchReply]
) -> list[list[str]]:
    texts = [[hit.text for hit in one.hits] if isinstance(one, _Searched) else [] for one in found]
    wanted = [place for place, request in enumerate(requests) if request.with_matched_text and texts[place]]
    matched = [[shortened(text) for text in some] for some in texts]
    if wanted:
        nearest = nearest_parts(embedder, vectors[wanted], [texts[place][:MOST_MATCHED] for place in wanted])
        for place, parts in zip(wanted, nearest, strict=True):
            matched[place][: len(parts)] = parts
    return matched


def _reply(found: _Searched, matched: Sequence[str], collection: CollectionInfo, embed_ms: float) -> SearchReply:
    return SearchReply(
        ReplyStatus.OK,
        hits=[_hit(hit, text) for hit, text in zip(found.hits, matched, strict=True)],
        model=collection.model,
        collection=collection.name,
        embed_ms=embed_ms,
        search_ms=found.search_ms,
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
