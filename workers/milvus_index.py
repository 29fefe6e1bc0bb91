"""The vector index on Milvus: the `Index` protocol over one connection."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pymilvus import MilvusClient

from kith.deadline import Deadline
from kith.errors import InputError, KithError, Unavailable
from workers.contract import Asked, Filter, HeldVector, Hit, Row, Vectors, WordHit
from workers.exact_hits import EXACT_FIELDS, MOST_ROWS, exact_hits
from workers.filters import expression, ids_expression
from workers.milvus_connection import Capabilities, MilvusConnection
from workers.milvus_errors import NotLoaded
from workers.milvus_rows import (
    ID_FIELD,
    OUTPUT_FIELDS,
    TEXT_FIELD,
    VECTOR_FIELD,
    VERSION_FIELD,
    check_query,
    check_rows,
    to_cosine_hit,
)
from workers.milvus_upsert import send, upsert_request
from workers.milvus_words import BM25_FIELD, WORD_OUTPUT_FIELDS, has_word_fields, merged, queries_of

Consistency = Literal["Strong", "Session", "Bounded", "Eventually"]

# The server refuses a larger result (its default maxQueryResultWindow).
MAX_LIMIT = 16_384
_IDS_PER_REQUEST = 1000
_PAGE = 5000


@dataclass(frozen=True, slots=True)
class _Held:
    """What rows of a collection hold: vectors of so many dimensions, and words or none."""

    dim: int
    words: bool


@dataclass(frozen=True, slots=True)
class _Search:
    """How a search is made, whatever is searched for."""

    field: str
    metric: str
    output: tuple[str, ...]
    limit: int
    condition: str
    newest: bool


class MilvusIndex:
    """A `workers.contract.Index` on a Milvus server or on Milvus Lite in server mode. Safe for several threads.

    Writes go one at a time: Milvus Lite silently loses acknowledged rows when they overlap. Let one process write to
    one Lite. A call ends within its `timeout_s`, plus one attempt to reconnect (`connect_timeout_s`) at worst.

    Args:
        uri: `http://host:port` or `https://host:port`; nothing is opened before the first call.
        token: `user:password` or an API key; None for a server without authentication.
        ca_file: certificates (PEM) that are trusted over https; None trusts the usual ones.
        consistency: level of searches on a server; reads of versions and counts are always Strong.
        connect_timeout_s: longest wait for one attempt to connect, seconds.
    """

    def __init__(
        self,
        uri: str,
        token: str | None = None,
        *,
        ca_file: Path | None = None,
        consistency: Consistency = "Bounded",
        connect_timeout_s: float = 2.0,
    ) -> None:
        self.connection = MilvusConnection(uri, token, ca_file=ca_file, connect_timeout_s=connect_timeout_s)
        self._consistency = consistency
        self._write_lock = threading.Lock()
        self._held: dict[str, _Held] = {}

    def capabilities(self, timeout_s: float) -> Capabilities:
        """What the server can do.

        Raises:
            kith.errors.Unavailable: the server does not answer.
        """
        return self.connection.capabilities(timeout_s)

    def close(self) -> None:
        """Close the connection. Not while calls are under way."""
        self.connection.close()

    def upsert(self, collection: str, rows: Sequence[Row], timeout_s: float) -> None:
        """Write rows (unique profile ids), replacing older ones; on return they are acknowledged.

        Raises:
            kith.errors.Unavailable: not now; nothing may be assumed written.
            kith.errors.InputError: a row that cannot be stored (nothing was sent), or that the server refused.
        """
        if not rows:
            return
        deadline = Deadline.after(timeout_s)
        held = self._described(collection, deadline)
        check_rows(rows, held.dim)
        request = upsert_request(collection, rows, with_words=held.words)
        with self._writing(deadline):
            self._call("write to", collection, deadline, lambda client, left: send(client, request, left))

    def delete(self, collection: str, profile_ids: Sequence[str], timeout_s: float) -> None:
        """Remove profiles; an absent one is no error.

        Raises:
            kith.errors.Unavailable: not now; some may have been removed.
        """
        deadline = Deadline.after(timeout_s)
        with self._writing(deadline):
            for condition in _id_conditions(profile_ids):
                self._delete_where(collection, condition, deadline)

    def search(
        self,
        collection: str,
        vectors: Vectors,
        limit: int,
        filters: Sequence[Filter],
        timeout_s: float,
        *,
        newest: bool = False,
    ) -> list[list[Hit]]:
        """See `workers.contract.Index.search`.

        Raises:
            kith.errors.Unavailable: not now.
            kith.errors.InputError: a filter, the limit (1 to `MAX_LIMIT`) or the vectors cannot be used.
        """
        deadline = Deadline.after(timeout_s)
        asked = _Search(VECTOR_FIELD, "COSINE", OUTPUT_FIELDS, _checked(limit), expression(filters), newest)
        if len(vectors) == 0:
            return []
        check_query(vectors, self._described(collection, deadline).dim)
        found = self._search(collection, list(vectors), asked, deadline)
        hits = [[to_cosine_hit(hit) for hit in some] for some in found]
        return self._completed(collection, vectors, hits, asked, deadline)

    def search_words(
        self,
        collection: str,
        questions: Sequence[Asked],
        limit: int,
        filters: Sequence[Filter],
        timeout_s: float,
        *,
        newest: bool = False,
    ) -> list[list[WordHit]]:
        """See `workers.contract.Index.search_words`.

        Raises:
            kith.errors.Unavailable: not now.
            kith.errors.InputError: a filter or the limit (1 to `MAX_LIMIT`) cannot be used, or the collection holds no
                words.
        """
        deadline = Deadline.after(timeout_s)
        asked = _Search(BM25_FIELD, "BM25", WORD_OUTPUT_FIELDS, _checked(limit), expression(filters), newest)
        if not self._described(collection, deadline).words:
            raise InputError(f"The collection {collection} holds no words.", "Search it by meaning.")
        names_apart = self.capabilities(deadline.remaining()).is_lite
        queries = [queries_of(question, names_apart=names_apart) for question in questions]
        texts = [text for some in queries for text in some]
        results = iter(self._search(collection, texts, asked, deadline) if texts else ())
        return [merged([next(results) for _ in some]) for some in queries]

    def versions(self, collection: str, profile_ids: Sequence[str], timeout_s: float) -> dict[str, int]:
        """Version held for each of the given profiles; an absent profile has no entry.

        Raises:
            kith.errors.Unavailable: not now.
        """
        deadline = Deadline.after(timeout_s)
        held: dict[str, int] = {}
        for condition in _id_conditions(profile_ids):
            rows = self._query(collection, condition, [ID_FIELD, VERSION_FIELD], deadline)
            held |= {row[ID_FIELD]: row[VERSION_FIELD] for row in rows}
        return held

    def every_version(self, collection: str, timeout_s: float) -> Iterator[tuple[str, int]]:
        """Profile id and version of every row, once each, with every write visible that was acknowledged before.

        Args:
            timeout_s: for each page, seconds.

        Raises:
            kith.errors.Unavailable: not now.
        """
        self.count(collection, timeout_s)
        pages = self._call(
            "read",
            collection,
            Deadline.after(timeout_s),
            lambda client, left: client.query_iterator(
                collection,
                batch_size=_PAGE,
                output_fields=[ID_FIELD, VERSION_FIELD],
                consistency_level="Strong",
                timeout=left,
            ),
        )
        try:
            while rows := self._call(
                "read", collection, Deadline.after(timeout_s), lambda _client, _left: pages.next()
            ):
                for row in rows:
                    yield row[ID_FIELD], row[VERSION_FIELD]
        finally:
            pages.close()

    def vectors(
        self, collection: str, profile_ids: Sequence[str], timeout_s: float, *, newest: bool = True
    ) -> dict[str, HeldVector]:
        """See `workers.contract.Index.vectors`.

        Raises:
            kith.errors.Unavailable: not now.
        """
        deadline = Deadline.after(timeout_s)
        held: dict[str, HeldVector] = {}
        for condition in _id_conditions(profile_ids):
            level: Consistency = "Strong" if newest else "Eventually"
            rows = self._query(collection, condition, [ID_FIELD, TEXT_FIELD, VECTOR_FIELD], deadline, level)
            held |= {
                row[ID_FIELD]: HeldVector(row[TEXT_FIELD], np.asarray(row[VECTOR_FIELD], dtype=np.float32))
                for row in rows
            }
        return held

    def count(self, collection: str, timeout_s: float) -> int:
        """Profiles held, counted with every acknowledged write visible.

        Raises:
            kith.errors.Unavailable: not now.
        """
        rows = self._query(collection, "", ["count(*)"], Deadline.after(timeout_s))
        return int(rows[0]["count(*)"])

    def _search(self, collection: str, data: list[Any], asked: _Search, deadline: Deadline) -> Sequence[Any]:
        found: Sequence[Any] = self._read(
            "search",
            collection,
            deadline,
            lambda client, left: client.search(
                collection,
                data=data,
                anns_field=asked.field,
                filter=asked.condition,
                limit=asked.limit,
                output_fields=list(asked.output),
                search_params={"metric_type": asked.metric},
                consistency_level="Strong" if asked.newest else self._consistency,
                timeout=left,
                retry_on_rate_limit=False,
            ),
        )
        return found

    def _completed(
        self, collection: str, vectors: Vectors, hits: list[list[Hit]], asked: _Search, deadline: Deadline
    ) -> list[list[Hit]]:
        """An approximate index misses rows of a rare condition: where hits are fewer than wanted, its rows are read."""
        short = [place for place, some in enumerate(hits) if len(some) < asked.limit]
        if not short or not asked.condition or self.capabilities(deadline.remaining()).exact:
            return hits
        level = "Strong" if asked.newest else self._consistency
        rows = self._query(collection, asked.condition, list(EXACT_FIELDS), deadline, level, MOST_ROWS + 1)
        if len(rows) <= MOST_ROWS:
            for place in short:
                hits[place] = exact_hits(rows, vectors[place], asked.limit)
        return hits

    def _delete_where(self, collection: str, condition: str, deadline: Deadline) -> None:
        self._call(
            "delete from",
            collection,
            deadline,
            lambda client, left: client.delete(collection, filter=condition, timeout=left, retry_on_rate_limit=False),
        )

    def _query(
        self,
        collection: str,
        condition: str,
        fields: list[str],
        deadline: Deadline,
        level: Consistency = "Strong",
        most: int | None = None,
    ) -> list[dict[str, Any]]:
        rows = self._read(
            "read",
            collection,
            deadline,
            lambda client, left: client.query(
                collection,
                filter=condition,
                output_fields=fields,
                consistency_level=level,
                timeout=left,
                retry_on_rate_limit=False,
                **({} if most is None else {"limit": most}),
            ),
        )
        return list(rows)

    def _read(
        self, verb: str, collection: str, deadline: Deadline, request: Callable[[MilvusClient, float], Any]
    ) -> Any:
        try:
            return self._call(verb, collection, deadline, request)
        except NotLoaded:
            # A restarted Milvus Lite has nothing loaded; on a server it is an operator's decision, which stands.
            if not self.capabilities(deadline.remaining()).is_lite:
                raise
        with self._writing(deadline):
            self._call("load", collection, deadline, lambda c, left: c.load_collection(collection, timeout=left))
        return self._call(verb, collection, deadline, request)

    def _described(self, collection: str, deadline: Deadline) -> _Held:
        if collection not in self._held:
            described = self._call(
                "describe",
                collection,
                deadline,
                lambda client, left: client.describe_collection(collection, timeout=left),
            )
            self._held[collection] = _Held(vector_dim(described), has_word_fields(described))
        return self._held[collection]

    def _call(
        self, verb: str, collection: str, deadline: Deadline, request: Callable[[MilvusClient, float], Any]
    ) -> Any:
        try:
            return self.connection.call(f"{verb} {collection}", deadline.remaining(), request)
        except KithError:
            # The collection may be another one when it answers again.
            self._held.pop(collection, None)
            raise

    @contextmanager
    def _writing(self, deadline: Deadline) -> Iterator[None]:
        if not self._write_lock.acquire(timeout=deadline.remaining()):
            raise Unavailable(f"Earlier writes to Milvus at {self.connection.uri} took all the time.")
        try:
            yield
        finally:
            self._write_lock.release()


def vector_dim(described: dict[str, Any]) -> int:
    """Dimensions of the vector field of a described collection.

    Raises:
        kith.errors.InputError: it has no field named `vector`.
    """
    for field in described["fields"]:
        if field["name"] == VECTOR_FIELD and "dim" in field["params"]:
            return int(field["params"]["dim"])
    raise InputError(f"The collection {described['collection_name']} has no vector field: it is not one of kith's.")


def _checked(limit: int) -> int:
    if not 1 <= limit <= MAX_LIMIT:
        raise InputError(f"The limit is {limit}.", f"It may be 1 to {MAX_LIMIT}.")
    return limit


def _id_conditions(profile_ids: Sequence[str]) -> list[str]:
    return [
        ids_expression(profile_ids[start : start + _IDS_PER_REQUEST])
        for start in range(0, len(profile_ids), _IDS_PER_REQUEST)
    ]
