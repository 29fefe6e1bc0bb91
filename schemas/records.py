"""Typed records for each schema on the wire, and the words used in them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

_RecordT = TypeVar("_RecordT")

# Of every contract's name.
NAMESPACE = "io.kith"


class Operation(StrEnum):
    """What a change does to a profile."""

    UPSERT = "UPSERT"
    PATCH = "PATCH"
    DELETE = "DELETE"
    REINDEX = "REINDEX"


class Outcome(StrEnum):
    """The one effective outcome of an input record."""

    INDEXED = "indexed"
    UNCHANGED = "unchanged"
    STALE = "stale"
    DELETED = "deleted"
    DEAD_LETTERED = "dead_lettered"


class Stage(StrEnum):
    """Where on the path a record was rejected."""

    DECODE = "decode"
    VALIDATE = "validate"
    EMBED = "embed"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Position:
    """One job of a career. `end` is None for a present job; dates are `YYYY` or `YYYY-MM`."""

    title: str
    company: str | None = None
    industry: str | None = None
    location: str | None = None
    start: str | None = None
    end: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Education:
    """One entry of an education. Dates are `YYYY` or `YYYY-MM`."""

    school: str
    degree: str | None = None
    field: str | None = None
    start: str | None = None
    end: str | None = None


class _Written:
    """Knows the bytes that it was read from; they are no field, and a copy has them not (`schemas.kept_profile`)."""

    __slots__ = ("_written",)

    @property
    def written(self) -> bytes | None:
        """Its bytes in the change that brought it; None where they are not known."""
        return getattr(self, "_written", None)

    def came_as(self, written: bytes) -> None:
        """Keep the bytes that it was read from."""
        object.__setattr__(self, "_written", written)


@dataclass(frozen=True, slots=True)
class Profile(_Written):
    """What a member says of herself. Every text may be in any language."""

    name: str
    headline: str | None = None
    summary: str | None = None
    location: str | None = None
    country: str | None = None
    industry: str | None = None
    seniority: str | None = None
    skills: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    education: list[Education] = field(default_factory=list)
    visibility: str | None = None


@dataclass(frozen=True, slots=True)
class ProfileChange:
    """A full profile as it is now, some of its fields, or its deletion. Times are milliseconds since the epoch, UTC.

    `changed`: of a patch, the names of the profile's fields that it carries; None for a full profile.
    """

    profile_id: str
    version: int
    occurred_at: int
    operation: Operation
    source: str | None = None
    profile: Profile | None = None
    changed: list[str] | None = None


@dataclass(frozen=True, slots=True)
class SettledChange:
    """An input record and the outcome that it had. `bulk`: it came on the bulk lane."""

    offset: int
    outcome: Outcome
    bulk: bool = False


@dataclass(frozen=True, slots=True)
class KnownProfile:
    """What is known of one profile.

    Attributes:
        version: of the newest change that counted; -1 where only a tombstone did.
        occurred_at: event time of that change, milliseconds since the epoch, UTC; None for a tombstone.
        profile: its fields, patches merged; None once it is deleted. The mark stays, so that a late change cannot
            bring the profile back.
        text_sha256: of the text that the index holds a vector of; None once it is deleted.
        settled: its changes in the batch that it was last worked on in, of each lane: brought again by a crash, they
            end alike.
    """

    version: int
    occurred_at: int | None
    profile: Profile | None
    text_sha256: bytes | None
    settled: list[SettledChange] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class AppliedThrough:
    """Every record of a partition up to `offset` has its outcome, and each of `settled`, which are beyond.

    `topic_id`: Kafka's id of the input topic.
    """

    topic_id: str
    offset: int
    settled: list[SettledChange] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ProfileState:
    """An entry of the indexer's table: of a profile (`known`), or of a partition of its input (`applied`)."""

    known: KnownProfile | None = None
    applied: AppliedThrough | None = None


@dataclass(frozen=True, slots=True)
class ProfileEmbedding:
    """The vector of a profile's newest text. `vector`: float32 little-endian bytes, dim x 4."""

    profile_id: str
    version: int
    model: str
    renderer: str
    text_sha256: bytes
    vector: bytes
    embedded_at: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome of one input record, named by topic, partition and offset."""

    topic: str
    partition: int
    offset: int
    profile_id: str | None
    version: int | None
    outcome: Outcome
    model: str
    occurred_at: int | None
    settled_at: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that can never succeed, with its key and value bytes as they came."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    stage: Stage
    error_class: str
    message: str
    attempts: int
    first_at: int
    last_at: int


def from_avro(data: dict[str, Any], kind: type[_RecordT]) -> _RecordT:
    """The record of a mapping that Avro read with the contract of its type.

    Raises:
        msgspec.ValidationError: the mapping holds something else.
    """
    return msgspec.convert(data, kind)


def to_avro(record: Any, *, named: bool = False) -> Any:
    """The mapping that Avro writes for a record: dataclasses to dicts, at every depth.

    Args:
        named: a record that may be null stands as (full name, mapping), as fastavro takes it. Without, fastavro reads
            through all that it holds to find the branch of the union, once more at every depth.
    """
    if isinstance(record, list | tuple):
        return [to_avro(item, named=named) for item in record]
    kind: type = type(record)
    if not (names := field_names(kind)):
        return record
    values = {name: getattr(record, name) for name in names}
    for name, full_name in _of_records(kind).items():
        if (value := values[name]) is not None:
            converted = to_avro(value, named=named)
            values[name] = (full_name, converted) if named and full_name else converted
    return values


@cache
def _of_records(kind: type) -> dict[str, str | None]:
    """Fields that hold records; and where a record or nothing, the full name of that record's contract.

    Every record of the stream passes here: what is neither is taken as it is, unseen.
    """
    found: dict[str, str | None] = {}
    for name, hint in get_type_hints(kind).items():
        branches = get_args(hint) if isinstance(hint, UnionType) else ()
        or_nothing = [part for part in branches if isinstance(part, type) and is_dataclass(part)]
        if or_nothing:
            found[name] = f"{NAMESPACE}.{or_nothing[0].__name__}"
        elif _holds_records(hint):
            found[name] = None
    return found


def _holds_records(hint: Any) -> bool:
    """Whether a type is a record's, or one of records at any depth."""
    return is_dataclass(hint) or any(_holds_records(part) for part in get_args(hint))


@cache
def field_names(kind: type) -> tuple[str, ...]:
    """Names of a dataclass's fields; none of another type."""
    return tuple(one.name for one in fields(kind)) if is_dataclass(kind) else ()
