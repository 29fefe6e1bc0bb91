"""Requests that wait for the index."""

from __future__ import annotations

from collections.abc import Collection
from typing import Generic, Protocol, TypeVar

from schemas.search_records import SearchRequest

# More are answered at once: waiting must not fill the memory.
_MOST = 1000
# Before the deadline: the reply has a way to go.
_MARGIN_MS = 100


class Waiter(Protocol):
    """A request, and the partition that its record came from."""

    @property
    def partition(self) -> int:
        """Of the record."""
        ...

    @property
    def request(self) -> SearchRequest | None:
        """The request."""
        ...


_WaiterT = TypeVar("_WaiterT", bound=Waiter)


class WaitingRequests(Generic[_WaiterT]):
    """Holds requests until they are looked at again."""

    def __init__(self) -> None:
        self._held: list[_WaiterT] = []

    def __len__(self) -> int:
        return len(self._held)

    def put(self, waiter: _WaiterT, now_ms: int) -> bool:
        """Let a request wait; False when its deadline is too near, or too many wait already."""
        deadline = None if waiter.request is None else waiter.request.deadline_at
        if deadline is None or deadline - _MARGIN_MS <= now_ms or len(self._held) >= _MOST:
            return False
        self._held.append(waiter)
        return True

    def due(self) -> list[_WaiterT]:
        """Every request that waits, to be looked at again; none waits after that."""
        held, self._held = self._held, []
        return held

    def forget(self, partitions: Collection[int]) -> None:
        """Leave out what came from these partitions: another consumer answers it."""
        self._held = [waiter for waiter in self._held if waiter.partition not in partitions]
