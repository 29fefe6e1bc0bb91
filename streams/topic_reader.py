"""Every record of a topic as it stands now, once, with bounded memory."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from kith.errors import Unavailable

_TIMEOUT_S = 10.0
_SILENCE_S = 30.0
_QUEUED_KB = 16_384


def read_topic(config: dict[str, Any], topic: str) -> Iterator[Message]:
    """The records from the first to the last that was there when the call began, in order within a partition.

    Commits nothing, joins no group.

    Args:
        config: librdkafka configuration to reach the cluster.

    Raises:
        Unavailable: the topic does not exist, or the brokers stop answering.
    """
    consumer = Consumer(
        config
        | {
            "group.id": f"kith-read-{uuid.uuid4()}",
            "enable.auto.commit": False,
            "queued.max.messages.kbytes": _QUEUED_KB,
            "log_level": 0,
        }
    )
    try:
        ends = _ends(consumer, topic, config["bootstrap.servers"])
        yield from _records(consumer, topic, ends, config["bootstrap.servers"])
    finally:
        consumer.close()


def _ends(consumer: Consumer, topic: str, bootstrap: str) -> dict[int, int]:
    """First offset after the last record, of each partition that holds one."""
    try:
        found = consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        ends = {}
        for number in found.partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=_TIMEOUT_S)
            if high > low:
                ends[number] = high
    except KafkaException as error:
        raise Unavailable(
            f"Kafka at {bootstrap} cannot read {topic}: {error.args[0].str()}.",
            "Check that the brokers are up and that `kith topics apply` created the topic.",
        ) from error
    return ends


def _records(consumer: Consumer, topic: str, ends: dict[int, int], bootstrap: str) -> Iterator[Message]:
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in ends])
    left = dict(ends)
    while left:
        message = consumer.poll(_SILENCE_S)
        if message is None:
            # Compaction and aborted transactions leave gaps, also at the end: the position tells.
            _drop_finished(consumer, topic, left)
            if left:
                raise Unavailable(f"Kafka at {bootstrap} sends nothing of {topic} any more.", "Check the brokers.")
            return
        if message.error() is not None:
            raise Unavailable(f"Kafka at {bootstrap} cannot read {topic}: {message.error().str()}.", "Check the brokers.")
        if message.offset() < left.get(message.partition(), -1):
            yield message
        if message.offset() + 1 >= left.get(message.partition(), 0):
            left.pop(message.partition(), None)


def _drop_finished(consumer: Consumer, topic: str, left: dict[int, int]) -> None:
    for place in consumer.position([TopicPartition(topic, number) for number in left]):
        if place.offset >= left[place.partition]:
            del left[place.partition]
