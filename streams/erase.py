"""A person erased from collections, table, log of embeddings and dead letters; verified, and proven."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kith.deadline import Deadline
from kith.errors import Unavailable
from schemas.codec import Codec
from schemas.operations import Erasure
from schemas.records import ProfileState
from schemas.topics import Topic, Topics
from streams.clock import now_ms
from streams.dead_letter_log import DeadLetterLog
from streams.groups import committed
from streams.publisher import Outgoing, Publisher
from streams.topic_reader import read_topic

_LOOK_S = 0.2


class Collections(Protocol):
    """Every collection of the installation. All raise `kith.errors.Unavailable`."""

    def models(self) -> dict[str, str]:
        """The release whose vectors each collection holds, by the collection's name."""
        ...

    def delete(self, collection: str, profile_id: str) -> None:
        """Remove a profile; an absent one is no error."""
        ...

    def holds(self, collection: str, profile_id: str) -> bool:
        """Whether the profile is there."""
        ...


@dataclass(frozen=True, slots=True)
class KnownTo:
    """An indexer that knows persons: its consumer group and the topic of its table."""

    group: str
    state: Topic


class Eraser:
    """Erases persons while traffic goes on. Repeating an erasure is harmless.

    What stays is the mark in the table that the profile was deleted, with its version and without content: a late
    change must not bring the person back. The change stream itself keeps its records until their retention ends.

    Args:
        config: librdkafka configuration to reach the cluster.
        indexers: all that have a collection; they have to run.
        timeout_s: for the acknowledgement of what is published, seconds.
    """

    def __init__(
        self,
        config: dict[str, Any],
        codec: Codec,
        topics: Topics,
        publisher: Publisher,
        collections: Collections,
        letters: DeadLetterLog,
        indexers: Sequence[KnownTo],
        *,
        timeout_s: float,
    ) -> None:
        self._config = config
        self._codec = codec
        self._topics = topics
        self._publisher = publisher
        self._collections = collections
        self._letters = letters
        self._indexers = indexers
        self._timeout_s = timeout_s

    def erase(self, profile_id: str, deadline: Deadline) -> Erasure:
        """Erase, wait until nothing is found any more, and publish the proof.

        Raises:
            Unavailable: a part does not answer, or the indexer did not come to the tombstone in time.
        """
        requested_at = now_ms()
        key = profile_id.encode()
        partition, offset = self._publish(Outgoing(self._topics.changes.name, key, None))
        for indexer in self._indexers:
            self._wait_for(indexer.group, partition, offset, deadline)
        models = self._collections.models()
        for collection in models:
            self._collections.delete(collection, profile_id)
        places = [
            self._publish(Outgoing(self._topics.embeddings.name, f"{profile_id}@{model}".encode(), None))[0]
            for model in sorted(set(models.values()))
        ]
        closed = self._letters.erase(profile_id)
        self._verify(profile_id, list(models), {partition}, set(places))
        proof = Erasure(str(uuid.uuid4()), requested_at, now_ms(), sorted(models), closed)
        topic = self._topics.erasures
        self._publish(Outgoing(topic.name, proof.erasure_id.encode(), self._codec.encode(topic.subject, proof)))
        return proof

    def _publish(self, outgoing: Outgoing) -> tuple[int, int]:
        ((place, offset),) = self._publisher.publish([outgoing], Deadline.after(self._timeout_s)).items()
        return place[1], offset

    def _wait_for(self, group: str, partition: int, offset: int, deadline: Deadline) -> None:
        """Until the indexer has committed the tombstone: then its table, index and log are without the profile."""
        while True:
            topic = self._topics.changes.name
            reached = committed(self._config, group, topic, [partition]).get(partition, 0)
            if reached > offset:
                return
            if deadline.expired():
                raise Unavailable(
                    f"{group} stands at {reached} of {topic} [{partition}] and the tombstone at {offset}.",
                    "See that its `kith index` runs, or retire its model, and erase again: repeating it is harmless.",
                )
            time.sleep(min(_LOOK_S, deadline.remaining()))  # noqa: TID251 (a command of its own)

    def _verify(self, profile_id: str, collections: Sequence[str], tables: set[int], logs: set[int]) -> None:
        left = [name for name in collections if self._collections.holds(name, profile_id)]
        for indexer in self._indexers:
            state = self._newest(indexer.state, profile_id.encode(), tables)
            known = None if state is None else self._codec.decode(state, ProfileState).known
            if known is not None and known.profile is not None:
                left.append(indexer.state.name)
        if any(self._newest_vectors(profile_id, logs).values()):
            left.append(self._topics.embeddings.name)
        if left:
            raise Unavailable(
                f"The profile came back to {', '.join(left)} while it was erased.",
                "Stop its source from sending it, and erase again.",
            )

    def _newest(self, topic: Topic, key: bytes, partitions: set[int]) -> bytes | None:
        newest: bytes | None = None
        for message in read_topic(self._config, topic.name, only=partitions):
            if message.key == key:
                newest = message.value
        return newest

    def _newest_vectors(self, profile_id: str, partitions: set[int]) -> dict[bytes, bool]:
        """Whether the newest record of each model is a vector."""
        held: dict[bytes, bool] = {}
        for message in read_topic(self._config, self._topics.embeddings.name, only=partitions):
            if message.key.rpartition(b"@")[0] == profile_id.encode():
                held[message.key] = message.value is not None
        return held
