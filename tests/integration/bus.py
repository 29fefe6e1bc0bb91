"""What a test puts on the bus and reads from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from confluent_kafka import Consumer, TopicPartition

from kith import wiring
from kith.deadline import Deadline
from kith.settings import Settings
from schemas.codec import Decodable
from schemas.records import Operation, Profile, ProfileChange
from schemas.topics import Topic
from streams.clock import now_ms
from streams.publisher import Outgoing

_KindT = TypeVar("_KindT", bound=Decodable)


def upsert(profile_id: str, headline: str, version: int = 1, **fields: str) -> ProfileChange:
    """A change as a source would send it."""
    profile = Profile(f"Name of {profile_id}", headline=headline, **fields)
    return ProfileChange(profile_id, version, now_ms(), Operation.UPSERT, "test", profile)


def send(settings: Settings, *changes: ProfileChange | Outgoing) -> None:
    """Onto the change stream, acknowledged."""
    codec, topic = wiring.codec(settings), wiring.topics(settings).changes
    outgoing = [
        one
        if isinstance(one, Outgoing)
        else Outgoing(topic.name, one.profile_id.encode(), codec.encode(topic.subject, one))
        for one in changes
    ]
    wiring.publisher(settings).publish(outgoing, Deadline.after(30))


def read_all(settings: Settings, topic: Topic, kind: type[_KindT]) -> Sequence[_KindT]:
    """Every record of a topic as it stands now, tombstones left out."""
    codec = wiring.codec(settings)
    consumer = Consumer(settings.kafka_client(**{"group.id": "read-all", "enable.auto.commit": False}))
    found = []
    try:
        partitions = consumer.list_topics(topic.name, timeout=10).topics[topic.name].partitions
        for partition in partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic.name, partition), timeout=10)
            consumer.assign([TopicPartition(topic.name, partition, low)])
            position = low
            while position < high:
                message = consumer.poll(10)
                assert message is not None, f"{topic.name}[{partition}] stands at {position} of {high}"
                assert message.error() is None, message.error()
                position = message.offset() + 1
                if message.value() is not None:
                    found.append(codec.decode(message.value(), kind))
    finally:
        consumer.close()
    return found
