"""Reads what an audit compares: consumed offsets, receipts, the table's changelog and the index."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kith.deadline import Deadline
from schemas.codec import Codec
from schemas.records import Operation, ProfileChange, ProfileState, Receipt
from schemas.topics import Topic, Topics
from streams.accounts import Accounts, PartitionSums, Range
from streams.clock import now_ms
from streams.groups import Place, committed
from streams.index_check import IndexFindings, Known, WrongProfile, compare_index, still_wrong
from streams.publisher import Outgoing, Publisher
from streams.topic_reader import Ends, read_topic, topic_ends, topic_starts

# Looks at what is wrong, and seconds between them: a batch in work is in the index before it is in the table.
_LOOKS = 5
_PAUSE_S = 1.0
_REPAIR_BATCH = 5000


class HeldVersions(Protocol):
    """The collection that is audited. All raise `kith.errors.Unavailable`."""

    def every_version(self) -> Iterator[tuple[str, int]]:
        """Profile id and version of every row."""
        ...

    def versions(self, profile_ids: Sequence[str]) -> Mapping[str, int]:
        """Versions of these profiles; an absent one has no entry."""
        ...


@dataclass(frozen=True, slots=True)
class AuditBounds:
    """Most wrong profiles to name; seconds for the acknowledgement of what is published."""

    most: int
    timeout_s: float


@dataclass(frozen=True, slots=True)
class AuditedIndexer:
    """Whose receipts and table are audited.

    Attributes:
        model: its release.
        group: its consumer group.
        began: where the group's consumption began, by topic and partition, where that is not the beginning.
    """

    model: str
    group: str
    began: Mapping[Place, int]


class Audit:
    """Compares what stands on the bus with what is in the index, while traffic goes on.

    Args:
        config: librdkafka configuration to reach the cluster.
        indexer: whose work is audited.
    """

    def __init__(
        self,
        config: dict[str, Any],
        codec: Codec,
        topics: Topics,
        publisher: Publisher,
        index: HeldVersions,
        bounds: AuditBounds,
        indexer: AuditedIndexer,
    ) -> None:
        self._config = config
        self._codec = codec
        self._topics = topics
        self._publisher = publisher
        self._index = index
        self._indexer = indexer
        self._most = bounds.most
        self._timeout_s = bounds.timeout_s

    def records(self) -> dict[str, list[PartitionSums]]:
        """What became of every consumed record that its topic still has, by input topic.

        Raises:
            kith.errors.Unavailable: Kafka or the registry does not answer.
        """
        accounts = {topic.name: self._open(topic) for topic in self._topics.inputs}
        for message in read_topic(self._config, self._topics.receipts.name):
            receipt = None if message.value is None else self._codec.decode(message.value, Receipt)
            if receipt is not None and receipt.topic in accounts:
                accounts[receipt.topic].take(receipt)
        return {name: account.sums() for name, account in accounts.items()}

    def index(self) -> IndexFindings:
        """The index held against the table. What is in work at the moment is looked at again, and not called wrong.

        Raises:
            kith.errors.Unavailable: Kafka, the registry or Milvus does not answer.
        """
        seen = topic_ends(self._config, self._topics.state.name)
        found = compare_index(self._known({}), self._index.every_version(), self._most)
        for _look in range(_LOOKS):
            if not found.wrong:
                break
            time.sleep(_PAUSE_S)  # noqa: TID251 (a command of its own, with nothing else to do)
            before, seen = seen, topic_ends(self._config, self._topics.state.name)
            held = self._index.versions([profile.profile_id for profile in found.wrong])
            found = still_wrong(found, self._known(before), dict(held))
        return found

    def repair(self, wrong: Sequence[WrongProfile], said: Callable[[int], None]) -> None:
        """Ask the indexer, on the bulk lane, to make the index hold what is known of these profiles.

        Args:
            said: told how many were asked for so far.

        Raises:
            kith.errors.Unavailable: Kafka does not answer; some may have been asked for, which is harmless.
        """
        ask_to_reindex(
            self._publisher,
            self._codec,
            self._topics.backfill,
            [profile.profile_id for profile in wrong],
            timeout_s=self._timeout_s,
            said=said,
        )

    def _open(self, topic: Topic) -> Accounts:
        starts = topic_starts(self._config, topic.name)
        one = self._indexer
        ends = committed(self._config, one.group, topic.name, starts)
        firsts = {p: max(start, one.began.get((topic.name, p), start)) for p, start in starts.items()}
        return Accounts(topic.name, {p: Range(first, ends.get(p, first)) for p, first in firsts.items()}, one.model)

    def _known(self, since: Ends) -> Iterator[Known]:
        for message in read_topic(self._config, self._topics.state.name, since):
            known = None if message.value is None else self._codec.decode(message.value, ProfileState).known
            if known is not None:
                deleted = known.profile is None
                yield Known(message.key.decode(), None if deleted else known.version)


def ask_to_reindex(
    publisher: Publisher,
    codec: Codec,
    topic: Topic,
    profile_ids: Sequence[str],
    *,
    timeout_s: float,
    said: Callable[[int], None],
) -> None:
    """Put requests to reindex profiles on the bulk lane.

    Raises:
        kith.errors.Unavailable: Kafka does not answer; some may have been put there, which is harmless.
    """
    for start in range(0, len(profile_ids), _REPAIR_BATCH):
        piece = profile_ids[start : start + _REPAIR_BATCH]
        outgoing = [
            Outgoing(
                topic.name,
                profile_id.encode(),
                codec.encode(topic.subject, ProfileChange(profile_id, 0, now_ms(), Operation.REINDEX, "kith")),
            )
            for profile_id in piece
        ]
        publisher.publish(outgoing, Deadline.after(timeout_s))
        said(start + len(piece))
