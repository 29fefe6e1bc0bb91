"""The table of what is known of each profile: read before a batch is decided, written when its effects stand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from kith.deadline import Deadline
from schemas.codec import Codec
from schemas.records import AppliedThrough, KnownProfile, ProfileState
from schemas.topics import Topic
from streams.incoming import Change, Incoming
from streams.publisher import Outgoing, Publisher

# No profile id has this letter.
_MARK = "@"
_APPLIED = f"{_MARK}applied:"


class Table(Protocol):
    """Bytes by partition and key, as `streams.state_store.StateStore` holds them."""

    def fetch(self, partition: int, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The values of those keys that have one."""
        ...

    def put(self, partition: int, entries: Mapping[bytes, bytes | None], offset: int) -> None:
        """Write entries that the changelog acknowledged up to `offset`."""
        ...


def is_profile(key: bytes) -> bool:
    """Whether an entry of the table is a profile's, and not one of how far an input is settled."""
    return not key.startswith(_MARK.encode())


class KnownProfiles:
    """What is known of profiles, and how far each partition of the input is settled.

    Entries go to the changelog first and to the table once they are acknowledged: a commit that follows can never be
    ahead of what another worker will restore.

    Args:
        topic: the changelog; it has as many partitions as the input.
        topic_ids: Kafka's id of each input topic, by name; asked once.
        timeout_s: for the acknowledgement of what is published, seconds.
    """

    def __init__(
        self,
        table: Callable[[], Table],
        codec: Codec,
        publisher: Publisher,
        topic: Topic,
        topic_ids: Callable[[], Mapping[str, str]],
        *,
        timeout_s: float,
    ) -> None:
        self._table = table
        self._codec = codec
        self._publisher = publisher
        self._topic = topic
        self._ask_topic_ids = topic_ids
        self._topic_ids: Mapping[str, str] | None = None
        self._timeout_s = timeout_s

    async def unsettled(self, records: Sequence[Incoming]) -> list[Incoming]:
        """The records that have no outcome yet: a crash before a commit brings some that have one.

        Raises:
            kith.errors.Unavailable: Kafka or the registry does not answer.
        """
        return await asyncio.to_thread(self._unsettled, records)

    async def read(self, changes: Sequence[Change]) -> dict[str, KnownProfile]:
        """What is known of the profiles of these changes; one never seen is absent."""
        return await asyncio.to_thread(self._read, changes)

    async def write(self, known: Mapping[str, KnownProfile], partitions: Mapping[str, int]) -> None:
        """Keep what is known now, by profile id, each in its partition. Repeating it is harmless.

        Raises:
            kith.errors.Unavailable: Kafka or the registry does not answer.
        """
        entries = {
            profile_id: (partitions[profile_id], ProfileState(known=state)) for profile_id, state in known.items()
        }
        await asyncio.to_thread(self._write, entries)

    async def settled_through(self, records: Sequence[Incoming]) -> None:
        """Keep that these records, and all before them, have their outcomes.

        Raises:
            kith.errors.Unavailable: Kafka or the registry does not answer.
        """
        await asyncio.to_thread(self._settled_through, records)

    def _unsettled(self, records: Sequence[Incoming]) -> list[Incoming]:
        ids = self._ids()
        through: dict[tuple[str, int], int] = {}
        for place in {(record.topic, record.partition) for record in records}:
            held = self._held(place[1], [_APPLIED + place[0]]).get(_APPLIED + place[0])
            applied = None if held is None else held.applied
            through[place] = applied.offset if applied is not None and applied.topic_id == ids[place[0]] else -1
        return [record for record in records if record.offset > through[record.topic, record.partition]]

    def _read(self, changes: Sequence[Change]) -> dict[str, KnownProfile]:
        wanted: dict[int, set[str]] = {}
        for change in changes:
            wanted.setdefault(change.incoming.partition, set()).add(change.profile_id)
        found: dict[str, KnownProfile] = {}
        for partition, profile_ids in wanted.items():
            held = self._held(partition, profile_ids)
            found |= {profile_id: state.known for profile_id, state in held.items() if state.known is not None}
        return found

    def _held(self, partition: int, keys: Iterable[str]) -> dict[str, ProfileState]:
        found = self._table().fetch(partition, [key.encode() for key in keys])
        return {key.decode(): self._codec.decode(value, ProfileState) for key, value in found.items()}

    def _settled_through(self, records: Sequence[Incoming]) -> None:
        ids = self._ids()
        last: dict[tuple[str, int], int] = {}
        for record in records:
            place = record.topic, record.partition
            last[place] = max(last.get(place, -1), record.offset)
        for (topic, partition), offset in last.items():
            self._write({_APPLIED + topic: (partition, ProfileState(applied=AppliedThrough(ids[topic], offset)))})

    def _write(self, entries: Mapping[str, tuple[int, ProfileState]]) -> None:
        encoded: dict[int, dict[bytes, bytes | None]] = {}
        for key, (partition, state) in entries.items():
            encoded.setdefault(partition, {})[key.encode()] = self._codec.encode(self._topic.subject, state)
        outgoing = [
            Outgoing(self._topic.name, key, value, partition=partition)
            for partition, values in encoded.items()
            for key, value in values.items()
        ]
        offsets = self._publisher.publish(outgoing, Deadline.after(self._timeout_s))
        for partition, values in encoded.items():
            self._table().put(partition, values, offsets[self._topic.name, partition])

    def _ids(self) -> Mapping[str, str]:
        if self._topic_ids is None:
            self._topic_ids = self._ask_topic_ids()
        return self._topic_ids
