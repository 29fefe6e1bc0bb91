"""A sink with the semantics of kafka-connect-milvus 1.0.1, read in its source.

A batch becomes rows, all of them one upsert: two of one key too. A null value is passed over, and so is a record that
cannot be made a row, with a line in the log: the framework's dead letters only hear of what its converter refuses. An
upsert that is refused ends the task. The connector does not embed: its rows are what a job before it would have made.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.rivals.parts import Record, Work, log_bad, where
from benchmarks.rivals.polled import run
from schemas.codec import DecodeError
from schemas.records import Profile, ProfileChange
from schemas.registry import UnknownSchema


class Connector:
    """`put` of the sink task, commits after each (the framework's are a minute apart)."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def put(self, batch: Sequence[Record]) -> None:
        """Write what a batch says."""
        rows: list[tuple[str, ProfileChange, Profile]] = []
        for record in batch:
            if record.value is None:
                continue
            try:
                change = self._work.decode(record.value)
            except (DecodeError, UnknownSchema):
                self._work.keep_dead_letter(record)
                continue
            if change.profile is None:
                log_bad(record, ValueError("no row"))
            else:
                rows.append((change.profile_id, change, change.profile))
        self._work.upsert(self._work.entities(rows))


if __name__ == "__main__":
    told = where()
    run(told, Connector(Work(told)).put)
