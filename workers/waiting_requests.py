"""Requests that wait for the index, and what that keeps the group's offset from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from confluent_kafka import Message

from schemas.search_records import SearchRequest

# More are answered at once: waiting must not fill the memory.
_MOST = 1000
# Before the deadline: the reply has a way to go.
_MARGIN_MS = 100


class Waiter(Protocol):
    """A request and the message that it came with."""

    @property
    def message(self) -> Message:
        """The message."""
        ...

    @property
    def request(self) -> SearchRequest | None:
        """The request."""
        ...


_WaiterT = TypeVar("_WaiterT", bound=Waiter)


class WaitingRequests(Generic[_WaiterT]):
    """Holds requests until they are looked at again; an offset does not pass one that waits."""

    def __init__(self) -> None:
        self._held: list[_WaiterT] = []
        self._behind: dict[int, dict[int, Message]] = {}

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

    def passed(self, messages: Sequence[Message]) -> list[Message]:
        """Of messages whose requests were looked at, those that the offset may pass now, in order.

        One behind a request that waits is kept, and given out once that is answered.
        """
        for message in messages:
            partition, offset = _place(message)
            self._behind.setdefault(partition, {})[offset] = message
        first: dict[int, int] = {}
        for waiter in self._held:
            partition, offset = _place(waiter.message)
            first[partition] = min(first.get(partition, offset), offset)
        out = []
        for partition, behind in self._behind.items():
            free = sorted(offset for offset in behind if partition not in first or offset < first[partition])
            out += [behind.pop(offset) for offset in free]
        return out


def _place(message: Message) -> tuple[int, int]:
    partition, offset = message.partition(), message.offset()
    if partition is None or offset is None:
        raise AssertionError("A message without its place. This is a bug.")
    return partition, offset
