"""The same job on Pathway: a table of changes from Kafka, whose new rows are embedded and upserted together.

Its own Milvus writer needs a licence key, so the rows go out by `pw.io.subscribe`.
"""

from __future__ import annotations

from typing import Any

import pathway as pw

from benchmarks.rivals.afternoon import Afternoon
from benchmarks.rivals.parts import POLL, Record, Work, where

_COMMIT_MS = 100


class Gathered:
    """Rows of one moment, worked on when it ends, or as soon as a batch is full."""

    def __init__(self, afternoon: Afternoon) -> None:
        self._afternoon = afternoon
        self._records: list[Record] = []

    def on_change(self, key: Any, row: dict[str, Any], time: int, is_addition: bool) -> None:  # noqa: ARG002 - Pathway's
        """One row."""
        self._records.append(Record(0, 0, row["key"], row["data"]))
        if len(self._records) >= POLL:
            self._take()

    def on_time_end(self, time: int) -> None:  # noqa: ARG002 - Pathway's
        """The rows of a moment are complete."""
        self._take()

    def _take(self) -> None:
        self._afternoon.take(self._records)
        self._records = []


def main() -> None:
    """Run until ended."""
    told = where()
    settings = {"bootstrap.servers": told.bootstrap, "group.id": told.group, "auto.offset.reset": "earliest"}
    changes = pw.io.kafka.read(
        settings, topic=told.topic, format="raw", autocommit_duration_ms=_COMMIT_MS, with_metadata=False
    )
    gathered = Gathered(Afternoon(Work(told)))
    pw.io.subscribe(changes, on_change=gathered.on_change, on_time_end=gathered.on_time_end)
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)


if __name__ == "__main__":
    main()
