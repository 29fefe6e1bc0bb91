"""Requests to replies: check, choose the model that answers, retrieve. Knows nothing of Kafka."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from kith.deadline import Deadline
from kith.errors import KithError, Unavailable
from schemas.search_records import ReplyStatus, SearchReply, SearchRequest
from workers.constraints import Constraints
from workers.contract import CollectionInfo
from workers.retrieval import Arm, Retrieval, bad_request, unavailable
from workers.rights import Rights
from workers.serving_models import ServingModels
from workers.traffic_split import Candidate

# An alias that moved is noticed within this time; until then the collection it pointed at still answers.
_ALIAS_KEPT_S = 0.5

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """Bounds of a request. `max_depth`: of offset and limit together."""

    max_limit: int
    max_chars: int
    max_depth: int = 1000


class Searcher:
    """Answers micro-batches of requests.

    Args:
        models: what queries are embedded with; a collection is only ever searched with the model of its vectors.
        resolve: the live collection, asked at most twice a second.
        candidate: a model that is being rolled out, and who is answered by it.
        constraints: what requesters may see, and what their questions say; without it, public profiles only.
    """

    def __init__(
        self,
        models: ServingModels,
        retrieval: Retrieval,
        resolve: Callable[[], CollectionInfo],
        limits: QueryLimits,
        candidate: Candidate | None = None,
        constraints: Constraints | None = None,
    ) -> None:
        self._models = models
        self._retrieval = retrieval
        self._resolve = resolve
        self._limits = limits
        self._candidate = candidate
        self._constraints = constraints or Constraints(Rights())
        self._live: Arm | None = None
        self._live_until = Deadline.after(0)
        self._late: str | None = None

    def answer(self, requests: Sequence[SearchRequest], now_ms: int) -> list[SearchReply]:
        """One reply per request, in order; blocking. Never raises for what a request holds or for a part that is away.

        A request that the index is not level with is answered as not yet, and may be given again.

        Args:
            now_ms: milliseconds since the epoch, UTC; a request whose deadline is before it is not worked on.
        """
        replies: dict[int, SearchReply] = {}
        for place, request in enumerate(requests):
            refused = self.refused(request, now_ms)
            if refused is not None:
                replies[place] = refused
        accepted = [place for place in range(len(requests)) if place not in replies]
        if accepted:
            done = self._constraints.answer([requests[place] for place in accepted], self._search)
            replies |= dict(zip(accepted, done, strict=True))
        return [replies[place] for place in range(len(requests))]

    def reason(self) -> str | None:
        """Why nothing could be answered now; None when the live collection is there and its model loaded. Blocking."""
        live = self._live_arm()
        return live.error if isinstance(live, SearchReply) else None

    def refused(self, request: SearchRequest, now_ms: int) -> SearchReply | None:
        """The reply to a request that no work is begun on; None for any other."""
        if request.deadline_at is not None and request.deadline_at < now_ms:
            return SearchReply(ReplyStatus.EXPIRED, f"The deadline passed {now_ms - request.deadline_at} ms ago.")
        if not request.query.strip():
            return bad_request("The query is empty.")
        if len(request.query) > self._limits.max_chars:
            return bad_request(
                f"The query has {len(request.query)} characters; at most {self._limits.max_chars} are allowed."
            )
        if not 1 <= request.limit <= self._limits.max_limit:
            return bad_request(f"The limit is {request.limit}; it must be from 1 to {self._limits.max_limit}.")
        if not 0 <= request.offset <= self._limits.max_depth - request.limit:
            return bad_request(
                f"The offset is {request.offset}; it may be 0 to {self._limits.max_depth} less the limit. "
                "Filters find who stands further down."
            )
        return None

    def _search(self, requests: Sequence[SearchRequest]) -> list[SearchReply]:
        live = self._live_arm()
        if self._candidate is None:
            return self._search_live(live, requests)
        replies, failed = self._search_candidate(self._candidate, requests)
        # What the candidate cannot answer the live model does: a rollout costs nobody an answer who did not ask for it.
        left = [place for place in range(len(requests)) if place not in replies]
        replies |= dict(zip(left, self._search_live(live, [requests[place] for place in left]), strict=True))
        answered = [replies[place] for place in range(len(requests))]
        self._candidate.answered(live if isinstance(live, Arm) else None, requests, answered, failed)
        return answered

    def _search_candidate(
        self, candidate: Candidate, requests: Sequence[SearchRequest]
    ) -> tuple[dict[int, SearchReply], frozenset[int]]:
        """The candidate's replies by place, and the places at which it should have replied and could not."""
        arm = candidate.arm()
        if arm is None:
            return {}, frozenset()
        model = arm.collection.model
        chosen = [
            place
            for place, request in enumerate(requests)
            if request.model == model or (request.model is None and candidate.takes(request))
        ]
        if not chosen:
            return {}, frozenset()
        done = dict(zip(chosen, self._retrieval.answer(arm, [requests[place] for place in chosen]), strict=True))
        failed = frozenset(place for place, reply in done.items() if reply.status is ReplyStatus.UNAVAILABLE)
        kept = {place: reply for place, reply in done.items() if place not in failed or requests[place].model == model}
        return kept, failed

    def _search_live(self, live: Arm | SearchReply, requests: Sequence[SearchRequest]) -> list[SearchReply]:
        if isinstance(live, SearchReply) or not requests:
            return [live] * len(requests) if isinstance(live, SearchReply) else []
        model = live.collection.model
        elsewhere = bad_request(f"The model that was asked for does not answer here; {model} does.")
        fits = [place for place, request in enumerate(requests) if request.model in (None, model)]
        replies = dict.fromkeys(range(len(requests)), elsewhere)
        if fits:
            replies |= dict(zip(fits, self._retrieval.answer(live, [requests[place] for place in fits]), strict=True))
        if any(reply.status is ReplyStatus.UNAVAILABLE for reply in replies.values()):
            # The alias may have moved away from a collection that is gone.
            self._live = None
        return [replies[place] for place in range(len(requests))]

    def _live_arm(self) -> Arm | SearchReply:
        if self._live is None or self._live_until.expired():
            try:
                collection = self._resolve()
            except KithError as error:
                # Whatever is wrong there, no request is to blame for it.
                return unavailable(error)
            try:
                self._take(collection)
            except KithError as error:
                return unavailable(error)
            self._live_until = Deadline.after(_ALIAS_KEPT_S)
        if self._live is None:
            raise AssertionError("A live collection was taken, and there is none. This is a bug.")
        return self._live

    def _take(self, collection: CollectionInfo) -> None:
        """Answer with this collection from now on, as soon as its model is there; the one before goes on until then.

        Raises:
            KithError: its model is not there, and there is no collection from before.
        """
        try:
            embedder = self._models.get(collection.model)
            arm = None if embedder is None else Arm(collection, embedder)
        except KithError as error:
            if self._live is None:
                raise
            self._say_late(collection.model, str(error))
            return
        if arm is not None:
            self._live, self._late = arm, None
        elif self._live is None:
            raise Unavailable(f"The model {collection.model} of the live collection is being loaded.")

    def _say_late(self, model: str, reason: str) -> None:
        if self._late != model:
            self._late = model
            log.error("the live model cannot be loaded; the one before goes on answering", model=model, reason=reason)
