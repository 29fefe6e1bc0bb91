"""The consumer that a good engineer writes in an afternoon: poll, embed one batch, upsert, commit.

It keeps the last of a key in a batch, deletes on a deletion or tombstone, merges patches into profiles that it has in
memory, logs what it cannot read, and writes row by row where Milvus refuses a batch.

Example: see `python -m benchmarks.pipeline`
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pymilvus import MilvusException

from benchmarks.rivals.parts import Record, Work, log_bad, where
from benchmarks.rivals.polled import run
from schemas.codec import DecodeError
from schemas.records import Operation, Profile, ProfileChange
from schemas.registry import UnknownSchema


class Afternoon:
    """One batch after the other."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._remembered: dict[str, Profile] = {}

    def take(self, batch: Sequence[Record]) -> None:
        """Write what a batch says."""
        newest: dict[str, tuple[Record, ProfileChange, Profile] | None] = {}
        for record in batch:
            try:
                self._fold(record, newest)
            except (DecodeError, UnknownSchema, UnicodeDecodeError, ValueError) as error:
                log_bad(record, error)
        kept = [(key, *one) for key, one in newest.items() if one is not None]
        self._write(kept)
        self._work.delete([key for key, one in newest.items() if one is None])

    def _fold(self, record: Record, newest: dict[str, tuple[Record, ProfileChange, Profile] | None]) -> None:
        if record.key is None:
            raise ValueError("no key")
        key = record.key.decode()
        change = None if record.value is None else self._work.decode(record.value)
        if change is None or change.operation is Operation.DELETE:
            self._remembered.pop(key, None)
            newest[key] = None
            return
        profile = self._whole(key, change)
        self._remembered[key] = profile
        newest[key] = (record, change, profile)

    def _whole(self, key: str, change: ProfileChange) -> Profile:
        if change.profile is None:
            raise ValueError("no profile")
        if change.changed is None:
            return change.profile
        if key not in self._remembered:
            raise ValueError("a patch of a profile that is not remembered")
        return replace(self._remembered[key], **{name: getattr(change.profile, name) for name in change.changed})

    def _write(self, kept: Sequence[tuple[str, Record, ProfileChange, Profile]]) -> None:
        entities = self._work.entities([(key, change, profile) for key, _record, change, profile in kept])
        try:
            self._work.upsert(entities)
        except MilvusException:
            for entity, (_key, record, _change, _profile) in zip(entities, kept, strict=True):
                try:
                    self._work.upsert([entity])
                except MilvusException as error:
                    log_bad(record, error)


if __name__ == "__main__":
    told = where()
    run(told, Afternoon(Work(told)).take)
