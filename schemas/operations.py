"""Typed records of what operators do: erasures and backfills."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Erasure:
    """Proof that a person was erased, without a word about who it was. Times: milliseconds since the epoch, UTC.

    Attributes:
        erasure_id: random; whoever asked for the erasure files it with the request.
        collections: of the index, in which the profile was deleted and is not found any more.
        dead_letters: that carried the profile and were closed.
    """

    erasure_id: str
    requested_at: int
    verified_at: int
    collections: list[str]
    dead_letters: int


class Phase(StrEnum):
    """Where a backfill is."""

    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    DONE = "DONE"


@dataclass(frozen=True, slots=True)
class SourcePart:
    """How far one partition of a source is, or a whole file: `next` comes next, `end` was fixed at the start."""

    partition: int
    next: int
    end: int


@dataclass(frozen=True, slots=True)
class BackfillRun:
    """How far a backfill is. Times: milliseconds since the epoch, UTC.

    Attributes:
        source: what is replayed, as it was asked for.
        sent: records put on the bulk lane.
        skipped: records that were not asked for, or have no version to be judged by.
        rejected: records of a file that could not be read.
        where: conditions on the profile that were asked for, as text.
    """

    run_id: str
    source: str
    phase: Phase
    parts: list[SourcePart]
    sent: int
    skipped: int
    rejected: int
    started_at: int
    updated_at: int
    where: list[str] = field(default_factory=list)
