"""The same job on Quix Streams: a batching sink that embeds and upserts at each checkpoint."""

from __future__ import annotations

from typing import Any

from quixstreams import Application
from quixstreams.sinks import BatchingSink, SinkBatch

from benchmarks.rivals.afternoon import Afternoon
from benchmarks.rivals.parts import POLL, Record, Work, where


class MilvusSink(BatchingSink):
    """What gathers between two commits is one batch."""

    def __init__(self, afternoon: Afternoon) -> None:
        super().__init__()
        self._afternoon = afternoon

    def write(self, batch: SinkBatch) -> None:
        """Called before the offsets are committed."""
        self._afternoon.take([Record(batch.partition, item.offset, _bytes(item.key), item.value) for item in batch])


def _bytes(key: Any) -> bytes | None:
    return key.encode() if isinstance(key, str) else key


def main() -> None:
    """Run until ended."""
    told = where()
    app = Application(
        broker_address=told.bootstrap,
        consumer_group=told.group,
        auto_offset_reset="earliest",
        # A checkpoint is a batch: as many records as the others take at a time.
        commit_every=POLL,
        auto_create_topics=False,
    )
    topic = app.topic(told.topic, key_deserializer="bytes", value_deserializer="bytes")
    app.dataframe(topic).sink(MilvusSink(Afternoon(Work(told))))
    app.run()


if __name__ == "__main__":
    main()
