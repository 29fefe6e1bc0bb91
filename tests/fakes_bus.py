"""A registry, an indexer and effects that live in memory, for tests of what stands between them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from kith.deadline import Deadline
from kith.errors import Unavailable
from schemas.contracts import schema_text
from schemas.records import Stage
from schemas.registry import Registry, UnknownSchema
from streams.effects import Settled
from streams.publisher import Outgoing, Publisher
from workers.contract import Applied, Change, Delete, Embedded, Held, Refresh, Rejected, Upsert


class MemoryRegistry(Registry):
    """Gives ids in order of registration; `away` makes every fetch unavailable."""

    def __init__(self) -> None:
        self._texts = {}
        self._ids = {}
        self.stored: dict[int, str] = {}
        self.away = False

    def text(self, schema_id: int) -> str:
        if schema_id in self._texts:
            return self._texts[schema_id]
        if self.away:
            raise Unavailable("The registry is away.")
        if schema_id not in self.stored:
            raise UnknownSchema(f"The registry has no schema with id {schema_id}.")
        self._texts[schema_id] = self.stored[schema_id]
        return self._texts[schema_id]

    def register(self, subject: str, kind: type) -> int:
        return self.store(schema_text(kind))

    def store(self, text: str) -> int:
        """Put a schema there as another writer would, without this reader knowing it."""
        for schema_id, held in self.stored.items():
            if held == text:
                return schema_id
        self.stored[len(self.stored) + 1] = text
        return len(self.stored)


class MemoryTable:
    """A table of two levels of dicts; `puts` counts the writes."""

    def __init__(self) -> None:
        self.held: dict[int, dict[bytes, bytes]] = {}
        self.level: dict[int, int] = {}

    def fetch(self, partition: int, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        held = self.held.get(partition, {})
        return {key: held[key] for key in keys if key in held}

    def put(self, partition: int, entries: Mapping[bytes, bytes | None], offset: int) -> None:
        held = self.held.setdefault(partition, {})
        for key, value in entries.items():
            if value is None:
                held.pop(key, None)
            else:
                held[key] = value
        self.level[partition] = offset


class ListPublisher(Publisher):
    """Keeps what was published; is unavailable for the next `outages` calls."""

    def __init__(self) -> None:
        self.published: list[Outgoing] = []
        self.outages = 0

    def publish(self, records: Sequence[Outgoing], deadline: Deadline) -> dict[tuple[str, int], int]:
        if self.outages:
            self.outages -= 1
            raise Unavailable("Kafka is away.")
        self.published.extend(records)
        return {(record.topic, record.partition or 0): len(self.published) for record in records}


class DictIndexer:
    """Keeps what it is told; refuses the ids in `poisoned`; is unavailable for the next `outages` calls."""

    def __init__(self) -> None:
        self.held: dict[str, Upsert | Refresh] = {}
        self.embedded: list[str] = []
        self.poisoned: set[str] = set()
        self.outages = self.look_up_outages = 0
        self.batches: list[list[str]] = []
        self.looked_up: list[list[str]] = []

    async def embed(self, batch: Sequence[Change]) -> Embedded:
        texts = dict.fromkeys(operation.text for operation in batch if isinstance(operation, Upsert))
        self.embedded.extend(texts)
        return dict.fromkeys(texts, np.full(4, 0.5, dtype=np.float32))

    async def look_up(self, batch: Sequence[Change], deadline: Deadline, *, may_be_ahead: Collection[str] = ()) -> Held:
        if self.look_up_outages:
            self.look_up_outages -= 1
            raise Unavailable("The index is away.")
        self.looked_up.append(sorted(may_be_ahead))
        newer = [one for one in batch if one.profile_id in may_be_ahead and self._holds_newer(one)]
        return Held(newer=frozenset(one.profile_id for one in newer))

    def _holds_newer(self, operation: Change) -> bool:
        held = self.held.get(operation.profile_id)
        return held is not None and held.version > operation.version

    async def apply(
        self,
        batch: Sequence[Change],
        deadline: Deadline,
        held: Held,
    ) -> Sequence[Applied | Rejected]:
        self.batches.append([operation.profile_id for operation in batch])
        if self.outages:
            self.outages -= 1
            raise Unavailable("The index is away.")
        return [self._one(one, one.profile_id in held.newer, held.vectors) for one in batch]

    def _one(self, operation: Change, newer: bool, embedded: Embedded) -> Applied | Rejected:
        if operation.profile_id in self.poisoned:
            return Rejected(Stage.WRITE, "InputError", "refused for good")
        if newer:
            return Applied(None if isinstance(operation, Delete) else np.full(4, 0.5, dtype=np.float32))
        if isinstance(operation, Delete):
            self.held.pop(operation.profile_id, None)
            return Applied(None)
        self.held[operation.profile_id] = operation
        if isinstance(operation, Upsert) and operation.text not in embedded:
            self.embedded.append(operation.text)
        return Applied(np.full(4, 0.5, dtype=np.float32))


class ListEffects:
    """Keeps what was published; is unavailable for the next `outages` calls."""

    def __init__(self) -> None:
        self.published: list[Settled] = []
        self.outages = 0

    async def keep_vectors(self, settled: Sequence[Settled]) -> None:
        """Not kept."""

    async def publish(self, settled: Sequence[Settled]) -> None:
        if self.outages:
            self.outages -= 1
            raise Unavailable("Kafka is away.")
        self.published.extend(settled)
