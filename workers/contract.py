"""The seam between the stream and the work: operations in, one result per operation out.

`streams` decides what has to happen; `workers` does it and reports. Nothing of Kafka or Faust goes down, nothing of
Milvus or ONNX Runtime comes up.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from kith.deadline import Deadline
from kith.errors import InputError
from schemas.records import Stage
from schemas.search_records import FilterOperator

Vectors = npt.NDArray[np.float32]

# The label of a profile that everybody may find.
PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class ProfileFields:
    """The scalar fields that stand beside the vector: what filters compare and what a hit shows.

    Attributes:
        occurred_at_ms: event time of the change, milliseconds since the epoch, UTC.
        visibility: label that a requester's rights have to name.
        career_since: year in which the earliest position began; 0 when unknown.
    """

    name: str
    headline: str = ""
    location: str = ""
    country: str = ""
    industry: str = ""
    seniority: str = ""
    skills: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    occurred_at_ms: int = 0
    visibility: str = PUBLIC
    career_since: int = 0


@dataclass(frozen=True, slots=True)
class Upsert:
    """Make the index hold this version of the profile. `text` is what gets embedded."""

    profile_id: str
    version: int
    fields: ProfileFields
    text: str


@dataclass(frozen=True, slots=True)
class Refresh:
    """As `Upsert`, for a text whose vector the index is known to hold: it is embedded only if it does not."""

    profile_id: str
    version: int
    fields: ProfileFields
    text: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Make the index hold nothing of the profile."""

    profile_id: str
    version: int


Change = Upsert | Refresh | Delete


@dataclass(frozen=True, slots=True)
class Applied:
    """The operation is in the index. `vector`: float32 (dim,), unit length; None for a delete."""

    vector: npt.NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """This operation can never succeed; the others of its batch are not touched by it."""

    stage: Stage
    error_class: str
    message: str


Embedded = Mapping[str, Vectors | Rejected]


@dataclass(frozen=True, slots=True)
class Held:
    """What there is before a batch is applied. `vectors`: by text; `newer`: profiles of which the index knows more."""

    vectors: Embedded = field(default_factory=dict)
    newer: frozenset[str] = frozenset()


class Indexer(Protocol):
    """Applies operations to the index. Repeating a batch is harmless."""

    async def embed(self, batch: Sequence[Change]) -> Embedded:
        """Vectors that `apply` will need of this batch, made ahead of it; touches no index.

        Returns:
            By text, of the upserts among the operations: float32 (dim,), unit length, or why there is none.
        """
        ...

    async def look_up(self, batch: Sequence[Change], deadline: Deadline, *, may_be_ahead: Collection[str] = ()) -> Held:
        """What `apply` need not make or must leave, read ahead of it: a server may take longer to answer than to write.

        Args:
            may_be_ahead: profiles of which a process before this one may have written a newer version.

        Raises:
            kith.errors.Unavailable: not now.
        """
        ...

    async def apply(
        self,
        batch: Sequence[Change],
        deadline: Deadline,
        held: Held,
    ) -> Sequence[Applied | Rejected]:
        """Apply a batch whose profile ids are unique.

        Args:
            held: what `embed` and `look_up` gave. A text without a vector is embedded now; what is newer stays.

        Returns:
            One result per operation, in the order of `batch`.

        Raises:
            kith.errors.Unavailable: not now; nothing may be assumed written.
        """
        ...


class Embedder(Protocol):
    """Texts to vectors."""

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts; blocking and CPU-bound, so never called on an event loop.

        Returns:
            float32 (len(texts), dim), every row of unit L2 length, rows in the order of `texts`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """One profile as the index holds it. `vector`: float32 (dim,), unit length."""

    profile_id: str
    version: int
    fields: ProfileFields
    text: str
    vector: npt.NDArray[np.float32]


class OwnOperator(StrEnum):
    """How a filter compares that kith makes itself: no request can name these.

    STARTS_WITH: the value is one of these, or begins with one of them and a comma.
    """

    STARTS_WITH = "starts_with"


@dataclass(frozen=True, slots=True)
class HeldVector:
    """A vector that the index holds, float32 (dim,), and the text that it is of."""

    text: str
    vector: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Filter:
    """A structured condition on one scalar field; several are joined by AND."""

    field: str
    operator: FilterOperator | OwnOperator
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """One search result. `score` is the cosine similarity to the query, in [-1, 1]."""

    profile_id: str
    version: int
    score: float
    fields: ProfileFields
    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a search by words looks for, made by `workers.words.asked`.

    Attributes:
        words: the question's words, each with its spellings, function words left out where others remain.
        pairs: neighbours among them joined, as `workers.words.joined_pairs` joins those of a profile.
        names: the question joined as a profile's name is; empty for one that is too long to be a name.
        sure_names: of these, whole names and neighbours of which neither is a function word.
    """

    words: tuple[tuple[str, ...], ...]
    pairs: tuple[str, ...]
    names: tuple[str, ...]
    sure_names: frozenset[str]


@dataclass(frozen=True, slots=True)
class WordHit:
    """A result of a search by words. `words`: of the profile, as `workers.words.profile_words` made them.

    Its `hit.score` is the index's own BM25, which may not compare among hits: `workers.keyword_ranking` orders them.
    """

    hit: Hit
    words: str


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """A concrete collection and what its vectors were made with.

    Attributes:
        keywords: whether it can be searched by words.
        lacks: fields that this kith writes and filters on, and that the collection was made without.
    """

    name: str
    model: str
    renderer: str
    dim: int
    properties: Mapping[str, str] = field(default_factory=dict)
    keywords: bool = False
    lacks: tuple[str, ...] = ()

    def require_whole(self) -> None:
        """Stop at a collection that an earlier kith made.

        Raises:
            InputError: it lacks fields; names them, and the command that makes it anew.
        """
        if self.lacks:
            raise InputError(
                f"The collection {self.name} was made by an earlier kith, without {' and '.join(self.lacks)}.",
                "Run `kith rebuild --fresh`: it fills it again from the log, without embedding.",
            )


class Index(Protocol):
    """A vector index that holds one row per profile id. Every call is blocking and bounded by `timeout_s`.

    All methods raise `kith.errors.Unavailable` when the server does not answer or refuses work for now, and
    `kith.errors.InputError` when it refuses the rows or the request for good.
    """

    def upsert(self, collection: str, rows: Sequence[Row], timeout_s: float) -> None:
        """Write rows (unique profile ids), replacing older ones; on return they are acknowledged."""
        ...

    def delete(self, collection: str, profile_ids: Sequence[str], timeout_s: float) -> None:
        """Remove profiles; an absent one is no error."""
        ...

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
        """For each row of `vectors` (float32 (n, dim)), the best `limit` hits by cosine, best first.

        Args:
            newest: see every write that was acknowledged before, whatever that costs.
        """
        ...

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
        """For each question, up to `limit` profiles (or twice as many) that hold some of its words, in no order.

        Args:
            newest: as for `search`.

        Raises:
            kith.errors.InputError: also where the collection has no words to search.
        """
        ...

    def versions(self, collection: str, profile_ids: Sequence[str], timeout_s: float) -> dict[str, int]:
        """Version held for each of the given profiles; an absent profile has no entry."""
        ...

    def vectors(
        self, collection: str, profile_ids: Sequence[str], timeout_s: float, *, newest: bool = True
    ) -> dict[str, HeldVector]:
        """What is held of each of the given profiles; an absent profile has no entry.

        Args:
            newest: with every acknowledged write visible; what was so a moment ago is told sooner.
        """
        ...

    def count(self, collection: str, timeout_s: float) -> int:
        """Profiles held, counted with every acknowledged write visible."""
        ...
