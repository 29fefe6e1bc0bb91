"""Requests to replies: check, embed, search, shape. Knows nothing of Kafka."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kith import metrics
from kith.deadline import Deadline
from kith.errors import InputError, KithError
from schemas.records import ReplyHit, ReplyStatus, SearchReply, SearchRequest
from workers.contract import CollectionInfo, Embedder, Filter, Hit, Index, Vectors
from workers.matched_text import nearest_parts, shortened

# Each hit costs an embedding of its sentences; further hits get the beginning of their text.
MOST_MATCHED = 10
# An alias that moved is noticed within this time; until then the collection it pointed at still answers.
_ALIAS_KEPT_S = 1.0


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """Bounds of a request; `timeout_s` holds for all of a micro-batch's work in the index, seconds."""

    max_limit: int
    max_chars: int
    timeout_s: float


@dataclass(frozen=True, slots=True)
class _Searched:
    hits: list[Hit]
    search_ms: float


class Searcher:
    """Answers micro-batches of requests.

    Args:
        model: name of the release that `embedder` runs; a collection of another model is never searched with it.
        resolve: the live collection, asked at most once a second.
    """

    def __init__(
        self, embedder: Embedder, index: Index, model: str, resolve: Callable[[], CollectionInfo], limits: QueryLimits
    ) -> None:
        self._embedder = embedder
        self._index = index
        self._model = model
        self._resolve = resolve
        self._limits = limits
        self._live: CollectionInfo | None = None
        self._live_until = Deadline.after(0)

    def answer(self, requests: Sequence[SearchRequest], now_ms: int) -> list[SearchReply]:
        """One reply per request, in order; blocking. Never raises for what a request holds or for a part that is away.

        Args:
            now_ms: milliseconds since the epoch, UTC; a request whose deadline is before it is not worked on.
        """
        replies: dict[int, SearchReply] = {}
        for place, request in enumerate(requests):
            refused = self._refused(request, now_ms)
            if refused is not None:
                replies[place] = refused
        accepted = [place for place in range(len(requests)) if place not in replies]
        if accepted:
            done = self._search([requests[place] for place in accepted])
            replies |= dict(zip(accepted, done, strict=True))
        for reply in replies.values():
            metrics.SEARCH_REQUESTS.labels(status=reply.status.value).inc()
        return [replies[place] for place in range(len(requests))]

    def reason(self) -> str | None:
        """Why nothing could be answered now; None when the live collection is there and of this model. Blocking."""
        live = self._live_collection()
        return live.error if isinstance(live, SearchReply) else None

    def _refused(self, request: SearchRequest, now_ms: int) -> SearchReply | None:
        if request.deadline_at is not None and request.deadline_at < now_ms:
            return SearchReply(ReplyStatus.EXPIRED, f"The deadline passed {now_ms - request.deadline_at} ms ago.")
        if not request.query.strip():
            return _bad("The query is empty.")
        if len(request.query) > self._limits.max_chars:
            return _bad(f"The query has {len(request.query)} characters; at most {self._limits.max_chars} are allowed.")
        if not 1 <= request.limit <= self._limits.max_limit:
            return _bad(f"The limit is {request.limit}; it must be from 1 to {self._limits.max_limit}.")
        return None

    def _search(self, requests: Sequence[SearchRequest]) -> list[SearchReply]:
        collection = self._live_collection()
        if isinstance(collection, SearchReply):
            return [collection] * len(requests)
        started = time.perf_counter()
        try:
            vectors = self._embedder.embed([request.query for request in requests])
        except InputError as error:
            # The query that cannot be embedded must not take the others with it.
            return [_bad(str(error))] if len(requests) == 1 else [self._search([one])[0] for one in requests]
        embed_ms = (time.perf_counter() - started) * 1000
        metrics.SEARCH_EMBED_SECONDS.observe(embed_ms / 1000)
        found = self._find(requests, vectors, collection.name)
        texts = self._matched(requests, vectors, found)
        return [
            _reply(one, matched, collection, embed_ms) if isinstance(one, _Searched) else one
            for one, matched in zip(found, texts, strict=True)
        ]

    def _find(
        self, requests: Sequence[SearchRequest], vectors: Vectors, collection: str
    ) -> list[_Searched | SearchReply]:
        # Requests that ask alike go to the index in one call.
        alike: dict[tuple[int, tuple[Filter, ...]], list[int]] = defaultdict(list)
        for place, request in enumerate(requests):
            alike[request.limit, _filters(request)].append(place)
        deadline = Deadline.after(self._limits.timeout_s)
        found: dict[int, _Searched | SearchReply] = {}
        for (limit, filters), places in alike.items():
            started = time.perf_counter()
            try:
                hits = self._index.search(collection, vectors[places], limit, filters, deadline.remaining())
            except InputError as error:
                found |= dict.fromkeys(places, _bad(str(error)))
                continue
            except KithError as error:
                # The alias may have moved away from a collection that is gone.
                self._live = None
                found |= dict.fromkeys(places, _unavailable(error))
                continue
            search_ms = (time.perf_counter() - started) * 1000
            metrics.SEARCH_INDEX_SECONDS.observe(search_ms / 1000)
            found |= {place: _Searched(one, search_ms) for place, one in zip(places, hits, strict=True)}
        return [found[place] for place in range(len(requests))]

    def _matched(
        self, requests: Sequence[SearchRequest], vectors: Vectors, found: Sequence[_Searched | SearchReply]
    ) -> list[list[str]]:
        texts = [[hit.text for hit in one.hits] if isinstance(one, _Searched) else [] for one in found]
        wanted = [place for place, request in enumerate(requests) if request.with_matched_text and texts[place]]
        matched = [[shortened(text) for text in some] for some in texts]
        if wanted:
            nearest = nearest_parts(self._embedder, vectors[wanted], [texts[place][:MOST_MATCHED] for place in wanted])
            for place, parts in zip(wanted, nearest, strict=True):
                matched[place][: len(parts)] = parts
        return matched

    def _live_collection(self) -> CollectionInfo | SearchReply:
        if self._live is None or self._live_until.expired():
            try:
                self._live = self._resolve()
            except KithError as error:
                # Whatever is wrong there, no request is to blame for it.
                return _unavailable(error)
            self._live_until = Deadline.after(_ALIAS_KEPT_S)
        if self._live.model != self._model:
            other = f"The live collection was made with {self._live.model}; this process runs {self._model}."
            return SearchReply(ReplyStatus.UNAVAILABLE, other)
        return self._live


def _filters(request: SearchRequest) -> tuple[Filter, ...]:
    return tuple(Filter(one.field, one.operator, tuple(one.values)) for one in request.filters)


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


def _bad(reason: str) -> SearchReply:
    return SearchReply(ReplyStatus.BAD_REQUEST, reason)


def _unavailable(error: KithError) -> SearchReply:
    return SearchReply(ReplyStatus.UNAVAILABLE, str(error))
