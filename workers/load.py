"""How much a query consumer takes on: what it refuses, and what it leaves out, so that answers stay in time. Pure."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Generic, TypeVar

from schemas.search_records import SearchRequest
from workers.batch_time import BatchTime

_ItemT = TypeVar("_ItemT")

# A request waits for one micro-batch and is in one: together they may take half of the longest wait.
_BATCH = 0.25
# However fast micro-batches are: what waits must not fill the memory.
_MOST_WAITING = 4096
# A burst may wait for long; under an overload that lasts, everybody would. So once requests have waited for more than
# the smaller share without a pause, for as long as the larger one says (of the longest wait), nobody is kept or let in
# who would wait for more than the micro-batch in work, until nobody had to be refused for some time. As controlled
# delay does in routers: Nichols and Jacobson, "Controlling Queue Delay", 2012. Micro-batches are shorter then, of the
# last share: waiting for the one before and being in one is all that an answer takes.
_SHORT_WAIT, _LASTING, _CALM_S, _SHORT_BATCH = 0.125, 0.5, 1.0, 0.15
# Shares of the longest wait from which on answers get lighter.
_NO_MATCHED_TEXT, _FEWER_HITS = 0.5, 0.75
_FEW_HITS = 10

MATCHED_TEXT, LIMIT = "matched_text", "limit"


class RequestQueue(Generic[_ItemT]):
    """Requests that were taken from the bus and not yet worked on, as many as can be begun in time.

    The wait is foretold from the time that micro-batches take, so that a request for which there is no room is told at
    once, and not after it has waited for nothing.

    Args:
        batch: most requests in one micro-batch, however fast it is.
        most_wait_ms: longest wait, milliseconds.
        partition_of: the partition that a request came from.
        draw: random numbers in [0, 1); they spread what comes again.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        batch: int,
        most_wait_ms: float,
        partition_of: Callable[[_ItemT], int],
        draw: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._batch = batch
        self._most_wait_ms = most_wait_ms
        self._partition_of = partition_of
        self._draw = draw
        self._clock = clock
        self._long_since: float | None = None
        self._overloaded_until = 0.0
        self._waiting: deque[_ItemT] = deque()
        self._time = BatchTime()

    def __len__(self) -> int:
        return len(self._waiting)

    def room(self) -> int:
        """Requests that the next micro-batch still has room for."""
        return max(0, self._bound() - len(self._waiting))

    def wait_ms(self) -> float:
        """How long one that came now would wait, milliseconds."""
        bound = self._bound()
        return len(self._waiting) // bound * self._time.foretold_ms(bound)

    def overloaded(self) -> bool:
        """Whether more comes than is worked on, and has for a while."""
        return self._clock() < self._overloaded_until

    def offer(self, item: _ItemT) -> bool:
        """Let a request wait for its turn; False when that would take too long."""
        overloaded = self.overloaded()
        too_long = not self.room() if overloaded else self.wait_ms() > self._most_wait_ms
        if too_long or len(self._waiting) >= _MOST_WAITING:
            if overloaded:
                self._overloaded_until = self._clock() + _CALM_S
            return False
        self._waiting.append(item)
        return True

    def take(self) -> list[_ItemT]:
        """The next micro-batch, in the order of arrival."""
        taken = [self._waiting.popleft() for _ in range(min(self._bound(), len(self._waiting)))]
        self._look()
        return taken

    def shed(self) -> list[_ItemT]:
        """Those who were let in before an overload was known to last, and would wait too long; they wait no more."""
        surplus = max(0, len(self._waiting) - self._bound()) if self.overloaded() else 0
        return [self._waiting.popleft() for _ in range(surplus)]

    def _bound(self) -> int:
        """Most requests of the next micro-batch."""
        overloaded = self.overloaded()
        if not overloaded and len(self._waiting) < self._batch:
            # No burst, however long the last micro-batch was held up.
            return self._batch
        share = _SHORT_BATCH if overloaded else _BATCH
        return int(max(1, min(self._batch, self._time.most_within(share * self._most_wait_ms))))

    def _look(self) -> None:
        """Notice a wait that lasts, of those who are left."""
        now = self._clock()
        # The micro-batch that was just taken is before them all.
        bound = self._bound()
        before = math.ceil(len(self._waiting) / bound)
        if before * self._time.foretold_ms(bound) <= self._most_wait_ms * _SHORT_WAIT:
            self._long_since = None
        elif self._long_since is None:
            self._long_since = now
        elif now - self._long_since > _LASTING * self._most_wait_ms / 1000:
            self._overloaded_until = now + _CALM_S

    def worked(self, took_ms: float, requests: int) -> None:
        """A micro-batch of so many requests took so long, milliseconds."""
        self._time.learn(requests, took_ms)

    def forget(self, partitions: Collection[int]) -> None:
        """Leave out what came from these partitions: another consumer answers it."""
        kept = [item for item in self._waiting if self._partition_of(item) not in partitions]
        self._waiting = deque(kept)

    def retry_after_ms(self) -> int:
        """When one that was refused may come again, milliseconds."""
        return math.ceil(self.wait_ms() + self._draw() * self._most_wait_ms) or 1

    def pressure(self) -> float:
        """The wait of one that came now, as a share of the longest one; 1 at least under an overload that lasts."""
        return max(self.wait_ms() / self._most_wait_ms, 1.0 if self.overloaded() else 0.0)


def lightened(request: SearchRequest, pressure: float) -> tuple[SearchRequest, list[str]]:
    """A request as it is worked on under load, and what was left out of it.

    Args:
        pressure: as `RequestQueue.pressure`.
    """
    left_out = []
    if pressure > _NO_MATCHED_TEXT and request.with_matched_text:
        request = replace(request, with_matched_text=False)
        left_out.append(MATCHED_TEXT)
    if pressure > _FEWER_HITS and request.limit > _FEW_HITS:
        request = replace(request, limit=_FEW_HITS)
        left_out.append(LIMIT)
    return request, left_out
