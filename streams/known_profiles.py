"""The table of what is known of each profile: read before a batch is decided, written when its effects stand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from kith.deadline import Deadline
from schemas.codec import Codec
from schemas.records import AppliedThrough, KnownProfile, Outcome, ProfileState, SettledChange
from schemas.topics import Topic
from streams.incoming import Change, Incoming, Place
from streams.publisher import Outgoing, Publisher

# No profile id has this letter.
_MARK = "@"
_APPLIED = f"{_MARK}applied:"


@dataclass(frozen=True, slots=True)
class Unsettled:
    """Records whose outcomes are not told yet.

    Attributes:
        outcomes: of those among them that a process before this one had decided.
    """

    records: list[Incoming]
    outcomes: Mapping[Place, Outcome]


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

    async def unsettled(self, records: Sequence[Incoming]) -> Unsettled:
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

    async def decide(self, ended: Sequence[tuple[Incoming, Outcome]]) -> None:
        """Keep outcomes that no profile's entry will hold, before anybody is told of them: they are final then.

        Raises:
            kith.errors.Unavailable: Kafka or the registry does not answer.
        """
        await asyncio.to_thread(self._decide, ended)

    async def settled_through(self, records: Sequence[Incoming]) -> None:
        """Keep that these records, and all before them, have their outcomes.

        Raises:
            kith.errors.Unavailable: Kafka or the registry does not answer.
        """
        await asyncio.to_thread(self._settled_through, records)

    def _unsettled(self, records: Sequence[Incoming]) -> Unsettled:
        reached = {at: self._applied(*at) for at in {(record.topic, record.partition) for record in records}}
        left = [record for record in records if record.offset > reached[record.topic, record.partition].offset]
        decided = {
            (topic, partition, ended.offset): ended.outcome
            for (topic, partition), applied in reached.items()
            for ended in applied.settled
        }
        return Unsettled(left, {record.place: decided[record.place] for record in left if record.place in decided})

    def _applied(self, topic: str, partition: int) -> AppliedThrough:
        """How far an input is settled; a topic that was made anew begins anew."""
        topic_id = self._ids()[topic]
        state = self._held(partition, [_APPLIED + topic]).get(_APPLIED + topic)
        held = None if state is None else state.applied
        return held if held is not None and held.topic_id == topic_id else AppliedThrough(topic_id, -1)

    def _decide(self, ended: Sequence[tuple[Incoming, Outcome]]) -> None:
        by_input: dict[tuple[str, int], dict[int, SettledChange]] = {}
        for record, outcome in ended:
            one = SettledChange(record.offset, outcome, record.bulk)
            by_input.setdefault((record.topic, record.partition), {})[record.offset] = one
        for (topic, partition), settled in by_input.items():
            held = self._applied(topic, partition)
            beyond = {one.offset: one for one in held.settled if one.offset > held.offset} | settled
            self._write_applied(topic, partition, replace(held, settled=list(beyond.values())))

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
            # A crash may have left outcomes of records that this batch, cut otherwise, did not reach.
            beyond = [one for one in self._applied(topic, partition).settled if one.offset > offset]
            self._write_applied(topic, partition, AppliedThrough(ids[topic], offset, beyond))

    def _write_applied(self, topic: str, partition: int, applied: AppliedThrough) -> None:
        self._write({_APPLIED + topic: (partition, ProfileState(applied=applied))})

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
