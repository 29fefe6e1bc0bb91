"""Every record of a topic as it stands now, once, with bounded memory."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from kith.errors import InputError, Unavailable
from streams.clock import now_ms

_TIMEOUT_S = 10.0
_SILENCE_S = 30.0
_QUEUED_KB = 16_384
_SETTLING = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})


Ends = dict[int, int]


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as it stands on a topic. `key` is empty where there is none; `value` None is a tombstone."""

    partition: int
    offset: int
    key: bytes
    value: bytes | None


def topic_ends(config: dict[str, Any], topic: str) -> Ends:
    """First offset after the last record of each partition, as of now.

    Raises:
        Unavailable: the topic does not exist, or the brokers do not answer.
    """
    consumer = _consumer(config)
    try:
        return {number: high for number, (_low, high) in _watermarks(consumer, topic, config).items()}
    finally:
        consumer.close()


def topic_starts(config: dict[str, Any], topic: str) -> Ends:
    """First offset that each partition still has.

    Raises:
        Unavailable: the topic does not exist, or the brokers do not answer.
    """
    consumer = _consumer(config)
    try:
        return {number: low for number, (low, _high) in _watermarks(consumer, topic, config).items()}
    finally:
        consumer.close()


def offsets_at(config: dict[str, Any], topic: str, moment_ms: int) -> dict[int, int]:
    """The first offset of each partition whose record is not older than a moment, milliseconds since the epoch, UTC.

    Raises:
        InputError: the moment lies in the future.
        Unavailable: the brokers do not answer.
    """
    if moment_ms > now_ms():
        raise InputError("The time to begin at lies in the future.", "Give one that has passed, in UTC.")
    ends = topic_ends(config, topic)
    consumer = Consumer(config | {"group.id": "kith-times", "enable.auto.commit": False, "log_level": 0})
    try:
        wanted = [TopicPartition(topic, number, moment_ms) for number in ends]
        found = consumer.offsets_for_times(wanted, timeout=_TIMEOUT_S)
    except KafkaException as error:
        raise Unavailable(
            f"Kafka at {config['bootstrap.servers']} does not tell offsets by time: {error.args[0].str()}.",
            "Check that the brokers are up.",
        ) from error
    finally:
        consumer.close()
    return {place.partition: place.offset if place.offset >= 0 else ends[place.partition] for place in found}


def read_topic(
    config: dict[str, Any],
    topic: str,
    since: Mapping[int, int] | None = None,
    only: Collection[int] | None = None,
    until: Mapping[int, int] | None = None,
) -> Iterator[Stored]:
    """The records from the first to the last that was there when the call began, in order within a partition.

    Commits nothing, joins no group.

    Args:
        config: librdkafka configuration to reach the cluster.
        since: first offset wanted of each partition; without it, and of those that it does not name, all.
        only: partitions to read; without it all.
        until: first offset not wanted of each partition; without it, and of those that it does not name, the end.

    Raises:
        Unavailable: the topic does not exist, or the brokers stop answering.
    """
    consumer = _consumer(config)
    try:
        marks = _watermarks(consumer, topic, config)
        begin = {number: max(low, (since or {}).get(number, low)) for number, (low, _high) in marks.items()}
        wanted = marks.keys() if only is None else marks.keys() & set(only)
        stops = {number: min(marks[number][1], (until or {}).get(number, marks[number][1])) for number in wanted}
        ends = {number: end for number, end in stops.items() if end > begin[number]}
        consumer.assign([TopicPartition(topic, number, begin[number]) for number in ends])
        yield from _records(consumer, topic, ends, config["bootstrap.servers"])
    finally:
        consumer.close()


def _consumer(config: dict[str, Any]) -> Consumer:
    return Consumer(
        config
        | {
            "group.id": f"kith-read-{uuid.uuid4()}",
            "enable.auto.commit": False,
            "queued.max.messages.kbytes": _QUEUED_KB,
            "log_level": 0,
        }
    )


def _watermarks(consumer: Consumer, topic: str, config: dict[str, Any]) -> dict[int, tuple[int, int]]:
    try:
        found = consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        return {number: _settled_watermarks(consumer, topic, number) for number in found.partitions}
    except KafkaException as error:
        raise Unavailable(
            f"Kafka at {config['bootstrap.servers']} cannot read {topic}: {error.args[0].str()}.",
            "Check that the brokers are up and that `kith topics apply` created the topic.",
        ) from error


def _settled_watermarks(consumer: Consumer, topic: str, number: int) -> tuple[int, int]:
    """Waits out that a leader moves, or that a new topic's brokers do not know yet that they lead it."""
    attempts = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, KafkaException) and error.args[0].code() in _SETTLING),
        wait=wait_random_exponential(multiplier=0.1, max=1.0),
        stop=stop_after_delay(_TIMEOUT_S),
        reraise=True,
    )
    marks: tuple[int, int] = attempts(consumer.get_watermark_offsets, TopicPartition(topic, number), timeout=_TIMEOUT_S)
    return marks


def _records(consumer: Consumer, topic: str, ends: dict[int, int], bootstrap: str) -> Iterator[Stored]:
    left = dict(ends)
    while left:
        message = consumer.poll(_SILENCE_S)
        if message is None:
            # Compaction and aborted transactions leave gaps, also at the end: the position tells.
            _drop_finished(consumer, topic, left)
            if left:
                raise Unavailable(f"Kafka at {bootstrap} sends nothing of {topic} any more.", "Check the brokers.")
            return
        if (error := message.error()) is not None:
            raise Unavailable(f"Kafka at {bootstrap} cannot read {topic}: {error.str()}.", "Check the brokers.")
        stored = _stored(message)
        end = left.get(stored.partition, 0)
        if stored.offset < end:
            yield stored
        if stored.offset + 1 >= end:
            left.pop(stored.partition, None)


def _stored(message: Message) -> Stored:
    partition, offset = message.partition(), message.offset()
    if partition is None or offset is None:
        raise AssertionError("A record without its place. This is a bug.")
    return Stored(partition, offset, message.key() or b"", message.value())


def _drop_finished(consumer: Consumer, topic: str, left: dict[int, int]) -> None:
    for place in consumer.position([TopicPartition(topic, number) for number in left]):
        if place.offset >= left[place.partition]:
            del left[place.partition]
