"""The Indexer: embed what needs it, write, answer per operation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from kith import metrics, span_names
from kith.deadline import Deadline
from kith.errors import InputError, Unavailable
from schemas.records import Stage
from workers.change_spans import stage
from workers.contract import (
    Applied,
    Change,
    Delete,
    Embedded,
    Embedder,
    Held,
    HeldVector,
    Index,
    Refresh,
    Rejected,
    Row,
    Upsert,
    Vectors,
)
from workers.limits import fit_fields, fit_text

_ItemT = TypeVar("_ItemT")
_DoneT = TypeVar("_DoneT")


class ModelIndexer:
    """Applies operations to one collection with one model.

    Embedding and writing run on threads of their own, off the event loop; writing on one, for an embedded index takes
    one writer only.
    """

    def __init__(self, embedder: Embedder, index: Index, collection: str) -> None:
        self._embedder = embedder
        self._index = index
        self._collection = collection
        # Two: the last runs of one piece leave lanes idle, which the next piece takes.
        self._embedding = ThreadPoolExecutor(2, "embed")
        # Apart from writing: a server lets whoever wants to see every write wait for a tick of its clock.
        self._reading = ThreadPoolExecutor(2, "read")
        self._writing = ThreadPoolExecutor(1, "write")

    async def embed(self, batch: Sequence[Change]) -> Embedded:
        """See `workers.contract.Indexer.embed`."""
        upserts = [operation for operation in batch if isinstance(operation, Upsert)]
        return await _run(self._embedding, lambda: self._embed(upserts)) if upserts else {}

    async def look_up(self, batch: Sequence[Change], deadline: Deadline, *, may_be_ahead: Collection[str] = ()) -> Held:
        """See `workers.contract.Indexer.look_up`."""
        refreshes = [operation for operation in batch if isinstance(operation, Refresh)]
        newer, vectors = await asyncio.gather(
            self._newer([operation for operation in batch if operation.profile_id in may_be_ahead], deadline),
            self._held(refreshes, deadline),
        )
        return Held(vectors, newer)

    async def apply(
        self,
        batch: Sequence[Change],
        deadline: Deadline,
        held: Held,
    ) -> Sequence[Applied | Rejected]:
        """See `workers.contract.Indexer.apply`."""
        ids = {operation.profile_id for operation in batch}
        if len(ids) != len(batch):
            raise AssertionError("Profile ids of a batch must be unique. This is a bug.")
        writes = [operation for operation in batch if not isinstance(operation, Delete)]
        deletes = [operation.profile_id for operation in batch if isinstance(operation, Delete)]
        results: dict[str, Applied | Rejected] = dict.fromkeys(deletes, Applied(None))
        vectors = await self._vectors(writes, held.vectors, deadline)
        results |= await self._upsert(writes, vectors, held.newer, deadline)
        await self._delete([profile_id for profile_id in deletes if profile_id not in held.newer], deadline)
        return [results[operation.profile_id] for operation in batch]

    async def _newer(self, batch: Sequence[Change], deadline: Deadline) -> frozenset[str]:
        """Profiles of which the index holds a newer version."""
        if not batch:
            return frozenset()
        ids, left = [operation.profile_id for operation in batch], deadline.remaining()
        found = await self._on(self._reading, lambda: self._index.versions(self._collection, ids, left), deadline)
        return frozenset(o.profile_id for o in batch if found.get(o.profile_id, o.version) > o.version)

    async def _held(self, refreshes: Sequence[Refresh], deadline: Deadline) -> dict[str, Vectors]:
        """Vectors that the index holds already, by text.

        A vector stands beside its text, so that an old one is never taken for a new one; and a server makes whoever
        wants to see every write wait for its clock. So only what is not found at once is read again.
        """
        found: dict[str, Vectors] = {}
        for newest in (False, True):
            left = [one for one in refreshes if one.text not in found]
            if left:
                found |= vectors_of_their_texts(left, await self._read(left, deadline, newest=newest))
        return found

    async def _read(
        self, refreshes: Sequence[Refresh], deadline: Deadline, *, newest: bool
    ) -> Mapping[str, HeldVector]:
        ids, left_s = [operation.profile_id for operation in refreshes], deadline.remaining()
        return await self._on(
            self._reading, lambda: self._index.vectors(self._collection, ids, left_s, newest=newest), deadline
        )

    async def _vectors(
        self,
        writes: Sequence[Upsert | Refresh],
        embedded: Embedded,
        deadline: Deadline,
    ) -> Embedded:
        """By text: those that were there or made ahead, and what is made now."""
        left = [one for one in writes if one.text not in embedded]
        made = await self._on(self._embedding, lambda: self._embed(left), deadline) if left else {}
        return {**embedded, **made}

    async def _upsert(
        self,
        writes: Sequence[Upsert | Refresh],
        vectors: Embedded,
        newer: Collection[str],
        deadline: Deadline,
    ) -> dict[str, Applied | Rejected]:
        results: dict[str, Applied | Rejected] = {}
        rows = []
        for operation in writes:
            vector = vectors[operation.text]
            if isinstance(vector, Rejected):
                results[operation.profile_id] = vector
            elif operation.profile_id in newer:
                results[operation.profile_id] = Applied(vector)
            else:
                rows.append(row_of(operation, vector))
        if not rows:
            return results
        written = await self._on(self._writing, lambda: self._write(rows, deadline), deadline)
        for row, done in zip(rows, written, strict=True):
            results[row.profile_id] = done if isinstance(done, Rejected) else Applied(row.vector)
        return results

    async def _delete(self, profile_ids: Sequence[str], deadline: Deadline) -> None:
        if profile_ids:
            with stage(span_names.WRITE, profile_ids):
                await self._on(
                    self._writing,
                    lambda: self._index.delete(self._collection, profile_ids, timeout_s=deadline.remaining()),
                    deadline,
                )

    def _embed(self, operations: Sequence[Upsert | Refresh]) -> Embedded:
        def embed(piece: Sequence[str]) -> list[Vectors]:
            return list(self._embedder.embed(piece))

        texts = list(dict.fromkeys(operation.text for operation in operations))
        with metrics.EMBED_SECONDS.time(), stage(span_names.EMBED, [one.profile_id for one in operations]):
            done = each_or_rejected(texts, embed, Stage.EMBED)
        metrics.EMBEDDED.inc(len(texts))
        return dict(zip(texts, done, strict=True))

    def _write(self, rows: Sequence[Row], deadline: Deadline) -> list[Rejected | None]:
        def write(piece: Sequence[Row]) -> list[None]:
            self._index.upsert(self._collection, piece, timeout_s=max(0.1, deadline.remaining()))
            return [None] * len(piece)

        with metrics.WRITE_SECONDS.time(), stage(span_names.WRITE, [row.profile_id for row in rows]):
            return each_or_rejected(rows, write, Stage.WRITE)

    async def _on(self, pool: ThreadPoolExecutor, work: Callable[[], _DoneT], deadline: Deadline) -> _DoneT:
        if deadline.expired():
            raise Unavailable("The time for this batch is spent.", "Raise KITH_APPLY_TIMEOUT_S or use smaller batches.")
        return await _run(pool, work)


async def _run(pool: ThreadPoolExecutor, work: Callable[[], _DoneT]) -> _DoneT:
    # The spans of the changes that are worked on are in the context.
    return await asyncio.get_running_loop().run_in_executor(pool, copy_context().run, work)


def vectors_of_their_texts(
    operations: Iterable[Upsert | Refresh], held: Mapping[str, HeldVector]
) -> dict[str, Vectors]:
    """Of vectors that the index holds, those that are of the operations' own texts, by text.

    Whoever was killed after writing a row, and before anybody was told, leaves the vector of another text.
    """
    return {
        one.text: held[one.profile_id].vector
        for one in operations
        if one.profile_id in held and held[one.profile_id].text == fit_text(one.text)
    }


def each_or_rejected(
    items: Sequence[_ItemT], work: Callable[[Sequence[_ItemT]], list[_DoneT]], stage: Stage
) -> list[_DoneT | Rejected]:
    """Do work on all items at once; when it is refused, halve until only the refused items are left out.

    Args:
        work: answers one result per item, or raises InputError when one of them is refused for good.

    Returns:
        One result per item, in order: log2(n) extra calls per refused item.
    """
    if not items:
        return []
    try:
        return list(work(items))
    except InputError as error:
        if len(items) == 1:
            return [Rejected(stage, type(error).__name__, str(error))]
    middle = len(items) // 2
    return each_or_rejected(items[:middle], work, stage) + each_or_rejected(items[middle:], work, stage)


def row_of(operation: Upsert | Refresh, vector: Vectors) -> Row:
    """What the index shall hold, cut to what it can; `vector`: float32 (dim,), unit length."""
    return Row(
        profile_id=operation.profile_id,
        version=operation.version,
        fields=fit_fields(operation.fields),
        text=fit_text(operation.text),
        vector=vector,
    )
