"""Typed records of a search: request, reply, and what was shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from schemas.records import known_fields, part_of


class FilterOperator(StrEnum):
    """How a filter compares a field with its values."""

    EQ = "eq"
    IN = "in"
    NOT_IN = "not_in"
    CONTAINS_ANY = "contains_any"
    CONTAINS_ALL = "contains_all"


class ReplyStatus(StrEnum):
    """How a search request ended."""

    OK = "ok"
    BAD_REQUEST = "bad_request"
    EXPIRED = "expired"
    UNAVAILABLE = "unavailable"
    NOT_YET = "not_yet"


@dataclass(frozen=True, slots=True)
class RequestFilter:
    """A condition on one field as a request carries it."""

    field: str
    operator: FilterOperator
    values: list[str]


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """Where a record of the change stream stands."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A question.

    Attributes:
        deadline_at: milliseconds since the epoch, UTC.
        at_least: records whose changes the index must hold.
    """

    query: str
    limit: int = 10
    filters: list[RequestFilter] = field(default_factory=list)
    with_matched_text: bool = True
    deadline_at: int | None = None
    requester: str | None = None
    cohort: str | None = None
    at_least: list[RecordPlace] = field(default_factory=list)

    @classmethod
    def from_avro(cls, data: dict[str, Any]) -> SearchRequest:
        """Build from the mapping of one record."""
        known = known_fields(cls, data)
        known["filters"] = [
            RequestFilter(f["field"], FilterOperator(f["operator"]), list(f["values"])) for f in data["filters"]
        ]
        known["at_least"] = [part_of(RecordPlace, one) for one in data.get("at_least", ())]
        return cls(**known)


@dataclass(frozen=True, slots=True)
class ReplyHit:
    """One profile found, as a reply carries it. `score`: cosine similarity."""

    profile_id: str
    version: int
    score: float
    name: str
    headline: str
    location: str
    country: str
    industry: str
    seniority: str
    matched_text: str


@dataclass(frozen=True, slots=True)
class SearchReply:
    """The answer to one request. `watermark`: the last records that the index held when it was searched."""

    status: ReplyStatus
    error: str | None = None
    hits: list[ReplyHit] = field(default_factory=list)
    model: str | None = None
    collection: str | None = None
    embed_ms: float = 0.0
    search_ms: float = 0.0
    watermark: list[RecordPlace] = field(default_factory=list)

    @classmethod
    def from_avro(cls, data: dict[str, Any]) -> SearchReply:
        """Build from the mapping of one record."""
        known = known_fields(cls, data)
        known["status"] = ReplyStatus(data["status"])
        known["hits"] = [part_of(ReplyHit, h) for h in data["hits"]]
        known["watermark"] = [part_of(RecordPlace, one) for one in data.get("watermark", ())]
        return cls(**known)
