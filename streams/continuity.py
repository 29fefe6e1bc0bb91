"""Every record of the log, each once: what the consumer between the log and the work left out is noticed."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from kith.errors import Unavailable
from streams.back_pressure import BackPressure
from streams.groups import GroupOffsets, Place
from streams.incoming import Incoming

_AnswerT = TypeVar("_AnswerT")

log = structlog.get_logger(__name__)

_TIMEOUT_S = 10.0
# Faust seeks the commits again within a request or two of its resuming.
_PATIENCE_S = 10.0


class RecordsLeftOutError(RuntimeError):
    """Records that the log holds were never delivered. They come after a restart, for they are not committed."""


class Log(Protocol):
    """What the brokers hold. Both are blocking, and raise `kith.errors.Unavailable`."""

    def committed(self, places: Sequence[Place]) -> Mapping[Place, int]:
        """The next offset to consume of each topic and partition; one without a commit has no entry."""
        ...

    def first_offset(self, topic: str, partition: int, since: int) -> int:
        """Offset of the first record at or after `since`."""
        ...


@dataclass(frozen=True, slots=True)
class Followed:
    """What may be worked on, and what came too early.

    Attributes:
        records: those that came twice once, in order of their offsets within each partition.
        early: records that the log does not hold next; they come again after those that are missing.
    """

    records: list[Incoming] = field(default_factory=list)
    early: list[Incoming] = field(default_factory=list)


class Continuity:
    """Follows the offsets of each partition from the commit on.

    A hole in the offsets is no loss where the log has it too: transactions and compaction leave some. Another one may
    close: when partitions are assigned, Faust delivers what it had fetched before it seeks the commits.

    Args:
        patience_s: how long what is missing may take to come, seconds.
    """

    def __init__(self, log: Log, back_pressure: BackPressure, patience_s: float = _PATIENCE_S) -> None:
        self._log = log
        self._back_pressure = back_pressure
        self._patience_s = patience_s
        self._next: dict[Place, int] = {}
        self._missing: dict[Place, range] = {}

    async def follow(self, records: Sequence[Incoming]) -> Followed:
        """Tell the records that continue those before from the ones that must not be worked on yet.

        Raises:
            kith.errors.Unavailable: Kafka stays away for longer than the back-pressure allows.
        """
        unique = {record.place: record for record in records}
        ordered = [unique[place] for place in sorted(unique)]
        if new := sorted({(record.topic, record.partition) for record in ordered} - self._next.keys()):
            committed = await self._ask(lambda: self._log.committed(new))
            self._next |= {at: committed.get(at, 0) for at in new}
        followed = Followed()
        for record in ordered:
            at = record.topic, record.partition
            if await self._continues(at, record.offset):
                followed.records.append(record)
                self._next[at] = max(self._next[at], record.offset + 1)
            else:
                followed.early.append(record)
        return followed

    async def missing_come(self) -> None:
        """Return once nothing is missing any more.

        Raises:
            RecordsLeftOutError: what the log holds was not delivered in time.
        """
        while waited_for := dict(self._missing):
            await asyncio.sleep(self._patience_s)
            for (topic, partition), missing in waited_for.items():
                if self._missing.get((topic, partition)) is missing:
                    raise RecordsLeftOutError(
                        f"Records {missing.start} to {missing.stop - 1} of {topic}, partition {partition}, "
                        "were not delivered."
                    )

    def forget(self) -> None:
        """Begin at the commits again: partitions were taken away."""
        self._next.clear()
        self._missing.clear()

    async def _continues(self, at: Place, offset: int) -> bool:
        """Whether the log holds nothing between what came before and this offset."""
        expected, missing = self._next[at], self._missing.get(at)
        if missing is None and offset > expected:
            found = await self._ask(partial(self._log.first_offset, *at, expected))
            if found < offset:
                missing = self._missing[at] = range(found, offset)
                log.warning("records are missing", topic=at[0], partition=at[1], first=found, last=offset - 1)
        if missing is not None and offset > missing.start:
            return False
        if offset >= expected:
            self._missing.pop(at, None)
        return True

    async def _ask(self, question: Callable[[], _AnswerT]) -> _AnswerT:
        return await self._back_pressure.through("kafka", lambda: asyncio.to_thread(question))


class KafkaLog:
    """Implements `Log` on a cluster.

    Args:
        config: librdkafka configuration to reach the cluster.
        group: consumer group of the indexer.
        timeout_s: for each answer, seconds.
    """

    def __init__(self, config: dict[str, Any], group: str, timeout_s: float = _TIMEOUT_S) -> None:
        self._config = config
        self._group = group
        self._timeout_s = timeout_s

    def committed(self, places: Sequence[Place]) -> Mapping[Place, int]:
        """See Log."""
        offsets = GroupOffsets(self._config, self._group)
        try:
            return offsets.committed(places, self._timeout_s)
        except KafkaException as error:
            raise self._away(self._group, error.args[0].str()) from error
        finally:
            offsets.close()

    def first_offset(self, topic: str, partition: int, since: int) -> int:
        """See Log."""
        consumer = Consumer(
            self._config
            | {
                "group.id": f"kith-look-{uuid.uuid4()}",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                # As the stream reads: what it was not given must not be seen here either.
                "isolation.level": "read_uncommitted",
                "log_level": 0,
            }
        )
        try:
            consumer.assign([TopicPartition(topic, partition, since)])
            message = consumer.poll(self._timeout_s)
        finally:
            consumer.close()
        error = None if message is None else message.error()
        offset = None if message is None else message.offset()
        if error is not None or offset is None:
            raise self._away(topic, "no answer in time" if error is None else error.str())
        return offset

    def _away(self, name: str, reason: str) -> Unavailable:
        return Unavailable(
            f"Kafka at {self._config['bootstrap.servers']} does not tell the offsets of {name}: {reason}.",
            "Check that the brokers are up.",
        )
