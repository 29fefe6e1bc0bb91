"""A request as it is searched for: what its requester may see, and what was read out of its words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from schemas.search_records import FilterOperator, SearchRequest
from workers.contract import PUBLIC, Filter
from workers.traced_request import TracedRequest, span_of


@dataclass(frozen=True, slots=True)
class ResolvedRequest(TracedRequest):
    """A request that was checked. Nothing that a client sends becomes one.

    Attributes:
        labels: of profiles that its requester may see beside the public ones.
        read: conditions out of its words.
    """

    labels: tuple[str, ...] = ()
    read: tuple[Filter, ...] = ()


def resolved(request: SearchRequest, query: str, labels: Sequence[str], read: Sequence[Filter] = ()) -> ResolvedRequest:
    """A request whose rights were checked; the statement of them goes no further.

    Args:
        query: what is searched for.
    """
    given = {one.name: getattr(request, one.name) for one in fields(SearchRequest)}
    given |= {"query": query, "rights": None, "span": span_of(request)}
    return ResolvedRequest(**given, labels=tuple(labels), read=tuple(read))


def conditions(request: SearchRequest) -> tuple[Filter, ...]:
    """Every condition that a hit has to meet: those of the request, and that the requester may see it.

    A request that nobody resolved sees what is public.
    """
    given = tuple(Filter(one.field, one.operator, tuple(one.values)) for one in request.filters)
    labels, read = (request.labels, request.read) if isinstance(request, ResolvedRequest) else ((), ())
    return (*given, *read, Filter("visibility", FilterOperator.IN, tuple(dict.fromkeys((PUBLIC, *labels)))))
