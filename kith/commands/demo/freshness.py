"""Freshness as a searcher sees it: from the time of the event to the first search that shows it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kith.deadline import Deadline
from schemas.records import Operation, ProfileChange
from schemas.search_records import FilterOperator, ReplyStatus, RequestFilter, SearchMode, SearchReply, SearchRequest
from streams.clock import now_ms

# One search asks for at most this many of the profiles that are waited for, the oldest first.
_MOST_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Milliseconds from event time to searchable. `unseen`: changes that no search showed in time."""

    count: int
    p50: float
    p95: float
    p99: float
    unseen: int


class FreshnessProbe:
    """Watches changes from the moment they happen until a search over the bus shows them.

    It searches without a pause, for the profiles that are waited for only, so a change is seen at the latest one
    search after it became searchable: the figure holds that search too, and is never too small.

    Args:
        ask: one search over the bus.
    """

    def __init__(self, ask: Callable[[SearchRequest], SearchReply]) -> None:
        self._ask = ask
        self._waiting: dict[str, ProfileChange] = {}
        self._lock = threading.Lock()
        self._taken_ms: list[float] = []
        self._searches_ms: list[float] = []

    def watch(self, change: ProfileChange) -> None:
        """Wait for a change to be searchable, from its `occurred_at` on; a newer one of the profile takes its place."""
        with self._lock:
            self._waiting[change.profile_id] = change

    def search_until(self, done: Callable[[], bool], timeout_s: float) -> Percentiles:
        """Search until `done()` and every change was seen, or for `timeout_s` after that."""
        while not done():
            self._look()
        deadline = Deadline.after(timeout_s)
        while self._waiting and not deadline.expired():
            self._look()
        return self._percentiles()

    @property
    def search_ms(self) -> list[float]:
        """Round trip of each search, milliseconds."""
        return self._searches_ms

    def _look(self) -> None:
        with self._lock:
            asked = list(self._waiting.values())[:_MOST_AT_ONCE]
        ids = [change.profile_id for change in asked] or ["none-yet"]
        started = time.monotonic()
        reply = self._ask(
            SearchRequest(
                "someone",
                limit=len(ids),
                filters=[RequestFilter("profile_id", FilterOperator.IN, ids)],
                with_matched_text=False,
                mode=SearchMode.SEMANTIC,
            )
        )
        seen_at = now_ms()
        self._searches_ms.append((time.monotonic() - started) * 1000)
        if reply.status is not ReplyStatus.OK:
            return
        held = {hit.profile_id: hit.version for hit in reply.hits}
        for change in asked:
            if _shows(change, held.get(change.profile_id)):
                self._seen(change, seen_at)

    def _seen(self, change: ProfileChange, seen_at: int) -> None:
        with self._lock:
            if self._waiting.get(change.profile_id) is change:
                del self._waiting[change.profile_id]
        self._taken_ms.append(seen_at - change.occurred_at)

    def _percentiles(self) -> Percentiles:
        taken = np.array(self._taken_ms or [np.nan])
        p50, p95, p99 = np.percentile(taken, [50, 95, 99])
        return Percentiles(len(self._taken_ms), float(p50), float(p95), float(p99), len(self._waiting))


def _shows(change: ProfileChange, held: int | None) -> bool:
    if change.operation is Operation.DELETE:
        return held is None
    return held is not None and held >= change.version
