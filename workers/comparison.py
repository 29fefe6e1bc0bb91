"""Questions that both models answer: beside the stream of answers, with bounded work, unseen by who asked."""

from __future__ import annotations

import queue
import random
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import structlog

from kith import metrics
from kith.aside import Aside
from kith.deadline import Deadline
from kith.errors import KithError
from schemas.rollouts import SERVING, ObservationKind, Rollout, RolloutPhase, SearchObservation
from schemas.search_records import ReplyStatus, SearchMode, SearchReply, SearchRequest
from workers.contract import CollectionInfo
from workers.guardrails import overlap_at_10, rank_correlation
from workers.retrieval import Arm, Retrieval
from workers.serving_models import ServingModels
from workers.traced_request import untraced
from workers.traffic_split import both_answer, candidate_answers

log = structlog.get_logger(__name__)

# Comparisons that wait; more are left out and counted, so that answering never waits for them.
_WAITING = 64
_LOOK_S = 0.2
# Between two attempts to reach a candidate that is not there.
_LOOK_AGAIN_S = 1.0
# The candidate is made ready before anybody is sent to it.
_PREPARED = SERVING | {RolloutPhase.FILLED, RolloutPhase.PAUSED}
_COMPARED_HITS = 10
# What says nothing of the model that answered.
_OF_THE_REQUEST = {ReplyStatus.BAD_REQUEST, ReplyStatus.EXPIRED, ReplyStatus.NOT_YET}


@dataclass(frozen=True, slots=True)
class _Pair:
    rollout: Rollout
    request: SearchRequest
    reply: SearchReply
    other: Arm


class CandidateTraffic(Aside):
    """A `workers.traffic_split.Candidate` that follows the rollout; entered, a thread of its own compares.

    Args:
        rollout: the one that is under way; None when there is none.
        collection: the collection of a release; may raise `kith.errors.KithError`.
        observe: takes observations; must not block.
    """

    def __init__(
        self,
        rollout: Callable[[], Rollout | None],
        collection: Callable[[str], CollectionInfo],
        models: ServingModels,
        retrieval: Retrieval,
        observe: Callable[[SearchObservation], None],
    ) -> None:
        super().__init__("compare", self._compare, 5.0)
        self._rollout = rollout
        self._collection = collection
        self._models = models
        self._retrieval = retrieval
        self._observe = observe
        self._arm: Arm | None = None
        self._look_again = Deadline.after(0)
        self._now: Rollout | None = None
        self._waiting: queue.Queue[_Pair] = queue.Queue(_WAITING)

    def arm(self) -> Arm | None:
        """See Candidate. The model is loaded as soon as a rollout is under way, before anybody is sent to it."""
        self._now = self._rollout()
        if self._now is None or self._now.phase not in _PREPARED:
            self._arm = None
        elif (self._arm is None or self._arm.collection.model != self._now.candidate) and self._look_again.expired():
            self._look_again = Deadline.after(_LOOK_AGAIN_S)
            self._arm = self._load(self._now.candidate)
        return self._arm

    def takes(self, request: SearchRequest) -> bool:
        """See Candidate."""
        return self._now is not None and self._arm is not None and candidate_answers(self._now, request)

    def answered(
        self,
        live: Arm | None,
        requests: Sequence[SearchRequest],
        replies: Sequence[SearchReply],
        failed: Collection[int],
    ) -> None:
        """See Candidate."""
        rollout, own = self._now, self._arm
        if rollout is None or own is None or not (rollout.ramp_percent or rollout.cohorts_in or rollout.shadow_percent):
            return
        for place, (request, reply) in enumerate(zip(requests, replies, strict=True)):
            if reply.status in _OF_THE_REQUEST:
                continue
            by_candidate = reply.model == rollout.candidate
            self._observe(_observation(rollout, by_candidate or place in failed, place in failed, reply))
            other = live if by_candidate else own
            if other is None or reply.status is not ReplyStatus.OK or not _can_be_compared(request, reply, other):
                continue
            if both_answer(rollout, random.random()):
                self._put(_Pair(rollout, request, reply, other))

    def _load(self, model: str) -> Arm | None:
        try:
            embedder = self._models.get(model)
            return None if embedder is None else Arm(self._collection(model), embedder)
        except KithError as error:
            metrics.ROLLOUT_SKIPPED.labels(reason="candidate_away").inc()
            log.warning("the candidate cannot answer", model=model, reason=str(error))
            return None

    def _put(self, pair: _Pair) -> None:
        try:
            self._waiting.put_nowait(pair)
        except queue.Full:
            metrics.ROLLOUT_SKIPPED.labels(reason="comparisons_wait").inc()

    def _compare(self) -> None:
        while not self.ended.is_set():
            try:
                pair = self._waiting.get(timeout=_LOOK_S)
            except queue.Empty:
                continue
            self._observe(self._compared(pair))

    def _compared(self, pair: _Pair) -> SearchObservation:
        mode = SearchMode(pair.reply.mode or SearchMode.SEMANTIC)
        request = replace(untraced(pair.request), with_matched_text=False, limit=_COMPARED_HITS, at_least=[], mode=mode)
        (own,) = self._retrieval.answer(pair.other, [request])
        by_candidate = pair.reply.model == pair.rollout.candidate
        candidate, live = (pair.reply, own) if by_candidate else (own, pair.reply)
        found = [hit.profile_id for hit in candidate.hits]
        wanted = [hit.profile_id for hit in live.hits]
        answered = candidate.status is ReplyStatus.OK and live.status is ReplyStatus.OK
        return SearchObservation(
            pair.rollout.candidate,
            ObservationKind.COMPARED,
            _now_ms(),
            failed=candidate.status is not ReplyStatus.OK,
            hits=len(found),
            elapsed_ms=candidate.embed_ms + candidate.search_ms,
            live_ms=live.embed_ms + live.search_ms if answered else None,
            overlap=overlap_at_10(found, wanted) if answered else None,
            rank_correlation=rank_correlation(found[:_COMPARED_HITS], wanted[:_COMPARED_HITS]) if answered else None,
        )


def _can_be_compared(request: SearchRequest, reply: SearchReply, other: Arm) -> bool:
    """Whether the other model can answer as this one did, and both have a part in the first hits."""
    if reply.mode == SearchMode.KEYWORD or request.offset:
        return False
    return reply.mode != SearchMode.HYBRID or other.collection.keywords


def _observation(rollout: Rollout, by_candidate: bool, failed: bool, reply: SearchReply) -> SearchObservation:
    return SearchObservation(
        rollout.candidate,
        ObservationKind.CANDIDATE if by_candidate else ObservationKind.LIVE,
        _now_ms(),
        failed=failed or reply.status is not ReplyStatus.OK,
        hits=len(reply.hits),
        elapsed_ms=reply.embed_ms + reply.search_ms,
    )


def _now_ms() -> int:
    return int(time.time() * 1000)
