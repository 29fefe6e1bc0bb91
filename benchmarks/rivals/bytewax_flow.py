"""The same job on Bytewax: batches as its Kafka source hands them over, embedded and upserted by a sink.

It reads from the beginning of the topic, as without a recovery store; with one it would write snapshots besides.
"""

from __future__ import annotations

from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main

from benchmarks.rivals.afternoon import Afternoon
from benchmarks.rivals.parts import POLL, Record, Where, Work, where


class _Partition(StatelessSinkPartition[Any]):
    def __init__(self, told: Where) -> None:
        self._afternoon = Afternoon(Work(told))

    def write_batch(self, items: list[Any]) -> None:
        """One upsert a batch."""
        self._afternoon.take(items)


class MilvusSink(DynamicSink[Any]):
    """Built once a worker."""

    def __init__(self, told: Where) -> None:
        self._told = told

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> _Partition:
        """See `bytewax.outputs.DynamicSink`."""
        return _Partition(self._told)


def _record(message: KafkaSourceMessage[Any, Any]) -> Record:
    return Record(message.partition or 0, message.offset or 0, message.key, message.value)


def main() -> None:
    """Run until ended."""
    told = where()
    flow = Dataflow("profiles")
    changes = op.input("changes", flow, KafkaSource([told.bootstrap], [told.topic], batch_size=POLL))
    op.output("milvus", op.map("record", changes, _record), MilvusSink(told))
    run_main(flow)


if __name__ == "__main__":
    main()
