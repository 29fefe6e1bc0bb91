"""Who is answered by a candidate, and which questions both models answer. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Protocol

from schemas.rollouts import SERVING, Rollout, RolloutPhase
from schemas.search_records import SearchReply, SearchRequest
from workers.retrieval import Arm

_WHOLE = 100
_STEPS = 10_000


class Candidate(Protocol):
    """The model that is being rolled out, as whoever answers questions sees it."""

    def arm(self) -> Arm | None:
        """Its collection and model; None when nobody is answered by it."""
        ...

    def takes(self, request: SearchRequest) -> bool:
        """Whether it answers this request."""
        ...

    def answered(
        self,
        live: Arm | None,
        requests: Sequence[SearchRequest],
        replies: Sequence[SearchReply],
        failed: Collection[int],
    ) -> None:
        """Told of every micro-batch. `failed`: places of requests that it should have answered and could not."""
        ...


def candidate_answers(rollout: Rollout, request: SearchRequest) -> bool:
    """Whether the candidate answers a request: by cohort, else by a stable hash of who asks.

    The same requester gets the same model for as long as the share does not shrink. Without a requester the question
    stands for it, so that asking again does not change the model.
    """
    if rollout.phase is not RolloutPhase.RAMP or request.cohort in rollout.cohorts_out:
        return False
    if request.cohort is not None and request.cohort in rollout.cohorts_in:
        return True
    return share_of(rollout.candidate, request.requester or request.query) < rollout.ramp_percent / _WHOLE


def both_answer(rollout: Rollout, drawn: float) -> bool:
    """Whether a question is also answered by the other model; `drawn`: a random number in [0, 1)."""
    return rollout.phase in SERVING and drawn < rollout.shadow_percent / _WHOLE


def share_of(candidate: str, who: str) -> float:
    """Where in [0, 1) somebody stands in a rollout; another rollout puts them elsewhere."""
    digest = hashlib.sha256(f"{candidate}\x00{who}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") % _STEPS / _STEPS
