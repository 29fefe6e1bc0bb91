"""What a test puts on the bus and reads from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from confluent_kafka import Consumer, TopicPartition

from kith import wiring
from kith.deadline import Deadline
from kith.settings import Settings
from schemas import headers
from schemas.records import Operation, Profile, ProfileChange
from schemas.search_records import SearchReply
from schemas.topics import Topic
from streams.clock import now_ms
from streams.publisher import Outgoing

_KindT = TypeVar("_KindT")


def upsert(profile_id: str, headline: str, version: int = 1, **fields: str) -> ProfileChange:
    """A change as a source would send it."""
    profile = Profile(f"Name of {profile_id}", headline=headline, **fields)
    return ProfileChange(profile_id, version, now_ms(), Operation.UPSERT, "test", profile)


class Bus:
    """The topics of one installation, for a test to write to and read from."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.codec = wiring.codec(settings)
        self.topics = wiring.topics(settings)
        self._publisher = wiring.publisher(settings)

    def close(self) -> None:
        self.codec.close()

    def send(self, *changes: ProfileChange | Outgoing) -> None:
        """Onto the change stream, acknowledged."""
        topic = self.topics.changes
        outgoing = [
            one
            if isinstance(one, Outgoing)
            else Outgoing(topic.name, one.profile_id.encode(), self.codec.encode(topic.subject, one))
            for one in changes
        ]
        self._publisher.publish(outgoing, Deadline.after(30))

    def answer(self, carried: headers.Headers, reply: SearchReply) -> None:
        """A reply to the request that had these headers, acknowledged."""
        topic = (headers.header(carried, headers.REPLY_TOPIC) or b"").decode()
        partition = headers.unpack_partition(headers.header(carried, headers.REPLY_PARTITION) or b"")
        named = [(headers.CORRELATION_ID, headers.header(carried, headers.CORRELATION_ID))]
        value = self.codec.encode(self.topics.replies.subject, reply)
        self._publisher.publish([Outgoing(topic, None, value, named, partition)], Deadline.after(30))

    def read_all(self, topic: Topic, kind: type[_KindT]) -> Sequence[_KindT]:
        """Every record of a topic as it stands now, tombstones left out."""
        consumer = Consumer(self._settings.kafka_client(**{"group.id": "read-all", "enable.auto.commit": False}))
        try:
            partitions = consumer.list_topics(topic.name, timeout=10).topics[topic.name].partitions
            values = [value for number in partitions for value in _values(consumer, TopicPartition(topic.name, number))]
        finally:
            consumer.close()
        return [self.codec.decode(value, kind) for value in values]


def _values(consumer: Consumer, partition: TopicPartition) -> list[bytes]:
    position, high = consumer.get_watermark_offsets(partition, timeout=10)
    consumer.assign([TopicPartition(partition.topic, partition.partition, position)])
    found = []
    while position < high:
        message = consumer.poll(10)
        assert message is not None, f"{partition} stands at {position} of {high}"
        assert message.error() is None, message.error()
        position = message.offset() + 1
        if message.value() is not None:
            found.append(message.value())
    return found
