"""A sink that makes one call a record: an upsert, or a deletion; what cannot be read is logged and passed over."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.rivals.parts import Record, Work, log_bad, where
from benchmarks.rivals.polled import run
from schemas.codec import DecodeError
from schemas.records import Operation
from schemas.registry import UnknownSchema


class OneRow:
    """One record after the other."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def take(self, batch: Sequence[Record]) -> None:
        """Write what a batch says."""
        for record in batch:
            try:
                self._one(record)
            except (DecodeError, UnknownSchema, UnicodeDecodeError, ValueError) as error:
                log_bad(record, error)

    def _one(self, record: Record) -> None:
        if record.key is None:
            raise ValueError("no key")
        key = record.key.decode()
        change = None if record.value is None else self._work.decode(record.value)
        if change is None or change.operation is Operation.DELETE:
            self._work.delete([key])
        elif change.profile is None:
            raise ValueError("no profile")
        else:
            self._work.upsert(self._work.entities([(key, change, change.profile)]))


if __name__ == "__main__":
    told = where()
    run(told, OneRow(Work(told)).take)
