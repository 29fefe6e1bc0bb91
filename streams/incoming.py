"""A record of the change stream as it came, and what it was read as."""

from __future__ import annotations

from dataclasses import dataclass, field

from kith.traces import Span
from schemas.records import DeadLetter, Operation, ProfileChange
from schemas.trace_headers import TraceHeaders

Place = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Incoming:
    """One record as the consumer got it.

    Attributes:
        key, value: its bytes; a `value` of None is a tombstone.
        bulk: whether it came on the bulk lane.
        carried: its headers that are of a trace, as they came.
        span: what is recorded of its way; None where nothing is.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    bulk: bool = False
    carried: TraceHeaders = field(default=(), compare=False)
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def place(self) -> Place:
        """Topic, partition and offset."""
        return self.topic, self.partition, self.offset


@dataclass(frozen=True, slots=True)
class Change:
    """A readable record. `change` None is a tombstone, which has no version of its own."""

    incoming: Incoming
    profile_id: str
    change: ProfileChange | None

    @property
    def reindexes(self) -> bool:
        """Whether it asks that the index be made to hold what is known."""
        return self.change is not None and self.change.operation is Operation.REINDEX

    @property
    def version(self) -> int | None:
        """Version of the change; None for what has none of its own: a tombstone, a request to reindex."""
        if self.change is None or self.reindexes:
            return None
        return self.change.version


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that can never be read as a valid change."""

    incoming: Incoming
    letter: DeadLetter
