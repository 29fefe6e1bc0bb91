"""Batches of a consumer group, committed once their work is done: the loop that plain consumers share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from confluent_kafka import Consumer, Message

from benchmarks.rivals.parts import POLL, POLL_S, Record, Where


@contextmanager
def polled(where: Where) -> Iterator[Iterator[Sequence[Record]]]:
    """Batches in the order of the log; one is committed when the next is asked for."""
    consumer = Consumer(
        {
            "bootstrap.servers": where.bootstrap,
            "group.id": where.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([where.topic])
    try:
        yield _batches(consumer)
    finally:
        consumer.close()


def _batches(consumer: Consumer) -> Iterator[Sequence[Record]]:
    while True:
        records = [record_of(one) for one in consumer.consume(POLL, POLL_S) if one.error() is None]
        if records:
            yield records
            consumer.commit(asynchronous=False)


def record_of(message: Message) -> Record:
    """A message of confluent-kafka."""
    return Record(message.partition() or 0, message.offset() or 0, message.key(), message.value())


def run(where: Where, work: Callable[[Sequence[Record]], None]) -> None:
    """Work on every batch, until the process is ended."""
    with polled(where) as batches:
        for batch in batches:
            work(batch)
