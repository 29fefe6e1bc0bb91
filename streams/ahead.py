"""A batch that is decided and embedded before its turn, and whether what it was decided from still holds. Pure."""

from __future__ import annotations

from asyncio import Task
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from streams.gate import Plan, Work
from streams.incoming import Change, Incoming, Unreadable
from workers import contract


@dataclass(frozen=True, slots=True)
class Piece:
    """Work of bounded size: what it is of the index, one operation each, and what is made and read ahead of it."""

    work: Sequence[Work]
    operations: Sequence[contract.Change]
    held: Task[contract.Held]


@dataclass(frozen=True, slots=True)
class Decided:
    """What shall become of a batch.

    Attributes:
        records: as they were given.
        fresh: those of them that had no outcome yet; `changes` and `unreadable` are what they hold.
        pieces: the work; what is embedded and read for each is on its way or here.
        at: how far the stream was settled when this was decided.
    """

    records: Sequence[Incoming]
    fresh: Sequence[Incoming] = ()
    changes: Sequence[Change] = ()
    unreadable: Sequence[Unreadable] = ()
    plan: Plan = field(default_factory=Plan)
    pieces: Sequence[Piece] = ()
    at: int = 0


class Turns:
    """Counts what is settled, so that a batch decided before its turn is decided again where it has to be.

    A decision stands when everything settled since is of other profiles and of records before its own.
    """

    def __init__(self) -> None:
        self._count = 0
        self._since = 0
        self._profiles: frozenset[str] = frozenset()
        self._through: Mapping[tuple[str, int], int] = {}

    @property
    def now(self) -> int:
        """How much is settled."""
        return self._count

    def settled(self, records: Iterable[Incoming], changes: Iterable[Change]) -> None:
        """A batch had its turn."""
        through: dict[tuple[str, int], int] = {}
        for record in records:
            place = record.topic, record.partition
            through[place] = max(through.get(place, -1), record.offset)
        self._profiles, self._through = frozenset(change.profile_id for change in changes), through
        self._since = self._count
        self._count += 1

    def forget(self) -> None:
        """Nothing that was decided before stands any more: partitions were taken away."""
        self._count += 1
        self._since = self._count

    def stands(self, at: int, records: Iterable[Incoming], changes: Iterable[Change]) -> bool:
        """Whether a decision about these records and changes, made at `at`, may be carried out now."""
        if at == self._count:
            return True
        if at < self._since:
            return False
        beyond = all(record.offset > self._through.get((record.topic, record.partition), -1) for record in records)
        return beyond and not any(change.profile_id in self._profiles for change in changes)
