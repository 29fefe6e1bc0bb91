"""Looks in the index for changes that were sent, until a search shows each: freshness as a searcher has it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from benchmarks.paced_changes import Planned
from kith import wiring
from kith.deadline import Deadline
from kith.errors import Unavailable
from kith.services.process import pause
from kith.settings import Settings
from schemas.search_records import FilterOperator
from workers.contract import Filter
from workers.milvus_rows import ID_FIELD

# One search asks for at most so many of the profiles that are waited for, the oldest first.
_MOST_AT_ONCE = 64
_SEARCH_S = 10.0


@dataclass(frozen=True, slots=True)
class Found:
    """A change, and from its event to the end of the first search that showed it, milliseconds."""

    due_ms: int
    took_ms: float


class Seeker:
    """Searches the live collection for the changes that are waited for, one search at a time, as query consumers do.

    A search has a vector and asks for the profiles by id; a hit with the version of the change, or a newer one, shows
    it. A figure holds the pause before the search that showed the change and that search, so it is never too small.

    Args:
        pause_s: between two searches, seconds.
    """

    def __init__(self, settings: Settings, pause_s: float) -> None:
        self._index = wiring.index(settings)
        collection = wiring.live_collection(settings, self._index)
        self._collection = collection.name
        self._vectors = np.full((1, collection.dim), collection.dim**-0.5, dtype=np.float32)
        self._pause_s = pause_s
        self._waiting: dict[str, Planned] = {}
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._seek, name="seeker")
        self.found: list[Found] = []
        self.searches_ms: list[float] = []
        self.failed: list[Exception] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._index.close()

    def watch(self, one: Planned) -> None:
        """Wait for a change; one of a profile that is waited for already is left."""
        with self._lock:
            self._waiting.setdefault(one.profile_id, one)

    def wait(self, timeout_s: float) -> int:
        """Until everything was found; how many were not in time.

        Raises:
            kith.errors.Unavailable: the index does not answer.
        """
        deadline = Deadline.after(timeout_s)
        while self._waiting and not deadline.expired() and not self.failed:
            pause(0.05)
        if self.failed:
            raise self.failed[0]
        return len(self._waiting)

    def _seek(self) -> None:
        while not self._ended.wait(self._pause_s):
            try:
                self._look()
            except Unavailable as error:
                self.failed.append(error)
                return

    def _look(self) -> None:
        with self._lock:
            asked = list(self._waiting.values())[:_MOST_AT_ONCE]
        if not asked:
            return
        condition = Filter(ID_FIELD, FilterOperator.IN, tuple(one.profile_id for one in asked))
        began = time.monotonic()
        (hits,) = self._index.search(self._collection, self._vectors, len(asked), [condition], _SEARCH_S)
        seen_at = 1000 * time.time()
        self.searches_ms.append(1000 * (time.monotonic() - began))
        held = {hit.profile_id: hit.version for hit in hits}
        for one in asked:
            if held.get(one.profile_id, -1) >= one.version:
                self.found.append(Found(one.due_ms, seen_at - one.due_ms))
                with self._lock:
                    del self._waiting[one.profile_id]
