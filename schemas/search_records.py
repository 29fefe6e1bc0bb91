"""Typed records of a search: request, reply, and what was shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class FilterOperator(StrEnum):
    """How a filter compares a field with its values."""

    EQ = "eq"
    IN = "in"
    NOT_IN = "not_in"
    CONTAINS_ANY = "contains_any"
    CONTAINS_ALL = "contains_all"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"


class ReplyStatus(StrEnum):
    """How a search request ended."""

    OK = "ok"
    BAD_REQUEST = "bad_request"
    EXPIRED = "expired"
    UNAVAILABLE = "unavailable"
    NOT_YET = "not_yet"
    OVERLOADED = "overloaded"


class SearchMode(StrEnum):
    """How a question is answered; the contract says what each means."""

    AUTO = "auto"
    SEMANTIC = "semantic"
    KEYWORD = "keyword"
    HYBRID = "hybrid"


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
class AppliedRecord:
    """The last record of a partition that an index holds. `occurred_at`: milliseconds since the epoch, UTC."""

    topic: str
    partition: int
    offset: int
    occurred_at: int | None = None


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A question.

    Attributes:
        deadline_at: milliseconds since the epoch, UTC.
        at_least: records whose changes the index must hold.
        offset: hits to pass over, from the best one on.
        model: release that must answer.
        read_query: whether constraints in plain words are read into filters.
        rights: signed statement of what the requester may see.
    """

    query: str
    limit: int = 10
    filters: list[RequestFilter] = field(default_factory=list)
    with_matched_text: bool = True
    deadline_at: int | None = None
    requester: str | None = None
    cohort: str | None = None
    at_least: list[RecordPlace] = field(default_factory=list)
    offset: int = 0
    model: str | None = None
    mode: SearchMode = SearchMode.AUTO
    read_query: bool = True
    explain: bool = False
    # Not shown: whoever reads it in a log could use it.
    rights: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a hit stands where it stands; ranks begin at 1, None where it was not among those looked at."""

    semantic_rank: int | None = None
    semantic_score: float | None = None
    keyword_rank: int | None = None
    keyword_score: float | None = None


@dataclass(frozen=True, slots=True)
class ReplyHit:
    """One profile found, as a reply carries it. `score`: what hits are ordered by."""

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
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class ReadFilter:
    """A condition that was read out of a question; `words`: those of the question that say it."""

    field: str
    operator: str
    values: list[str]
    words: str


@dataclass(frozen=True, slots=True)
class QueryReading:
    """What was understood of a question.

    Attributes:
        query: what was searched for.
        dropped: whether the conditions were left out again, because nobody met them.
    """

    query: str
    filters: list[ReadFilter]
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class SearchReply:
    """The answer to one request.

    Attributes:
        watermark: the last records that the index held when it was searched.
        request_id: names this reply in `search.feedback`.
        degraded: what was left out under load.
        queue_ms, total_ms: from the request's record to the beginning of its work, and to the reply.
    """

    status: ReplyStatus
    error: str | None = None
    hits: list[ReplyHit] = field(default_factory=list)
    model: str | None = None
    collection: str | None = None
    embed_ms: float = 0.0
    search_ms: float = 0.0
    watermark: list[AppliedRecord] = field(default_factory=list)
    request_id: str | None = None
    mode: str | None = None
    reading: QueryReading | None = None
    degraded: list[str] = field(default_factory=list)
    retry_after_ms: int | None = None
    queue_ms: float = 0.0
    total_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class ShownHit:
    """One profile that was shown."""

    profile_id: str
    version: int
    score: float


@dataclass(frozen=True, slots=True)
class SearchImpression:
    """What a requester was shown for a question. `answered_at`: milliseconds since the epoch, UTC."""

    request_id: str
    answered_at: int
    query: str
    mode: str
    model: str
    collection: str
    requester: str | None
    cohort: str | None
    offset: int
    hits: list[ShownHit]
    total_ms: float
