"""A registry, an indexer and effects that live in memory, for tests of what stands between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kith.deadline import Deadline
from kith.errors import Unavailable
from schemas.contracts import schema_text
from schemas.records import Stage
from schemas.registry import Registry, UnknownSchema
from streams.effects import Settled
from workers.contract import Applied, Delete, Rejected, Upsert


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


class DictIndexer:
    """Keeps what it is told; refuses the ids in `poisoned`; is unavailable for the next `outages` calls."""

    def __init__(self) -> None:
        self.held: dict[str, Upsert] = {}
        self.poisoned: set[str] = set()
        self.outages = 0
        self.batches: list[list[str]] = []

    async def apply(self, batch: Sequence[Upsert | Delete], deadline: Deadline) -> Sequence[Applied | Rejected]:
        self.batches.append([operation.profile_id for operation in batch])
        if self.outages:
            self.outages -= 1
            raise Unavailable("The index is away.")
        return [self._one(operation) for operation in batch]

    def _one(self, operation: Upsert | Delete) -> Applied | Rejected:
        if operation.profile_id in self.poisoned:
            return Rejected(Stage.WRITE, "InputError", "refused for good")
        if isinstance(operation, Delete):
            self.held.pop(operation.profile_id, None)
            return Applied(None)
        self.held[operation.profile_id] = operation
        return Applied(np.ones(4, dtype=np.float32) / 2)


class ListEffects:
    """Keeps what was published; is unavailable for the next `outages` calls."""

    def __init__(self) -> None:
        self.published: list[Settled] = []
        self.outages = 0

    async def publish(self, settled: Sequence[Settled]) -> None:
        if self.outages:
            self.outages -= 1
            raise Unavailable("Kafka is away.")
        self.published.extend(settled)
