"""What a request may see and what its words say: rights become labels and words filters, around a search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from kith.errors import InputError
from schemas.search_records import ReplyStatus, SearchReply, SearchRequest
from workers.filters import MAX_FILTERS
from workers.query_reading.reader import Reading, read_query
from workers.resolved_request import ResolvedRequest, resolved
from workers.rights import Rights

Search = Callable[[Sequence[SearchRequest]], list[SearchReply]]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request twice: as it was written, and with what was read out of it; the same where nothing was."""

    plain: ResolvedRequest
    narrow: ResolvedRequest
    reading: Reading


class Constraints:
    """Resolves requests before they are searched. Safe for several threads.

    Every search of a request, also the one of a candidate and the one that compares, is of what this made of it.

    Args:
        rights: checks what requesters may see.
    """

    def __init__(self, rights: Rights) -> None:
        self._rights = rights

    def answer(self, requests: Sequence[SearchRequest], search: Search) -> list[SearchReply]:
        """One reply per request, in order; blocking.

        Where nobody meets what was read out of a question, it is searched for as it was written, and the reply says so.

        Args:
            search: one reply per request, in order; never raises for what a request holds.
        """
        replies: dict[int, SearchReply] = {}
        asked: dict[int, _Asked] = {}
        for place, request in enumerate(requests):
            one = self._resolve(request)
            if isinstance(one, SearchReply):
                replies[place] = one
            else:
                asked[place] = one
        if asked:
            replies |= _searched(asked, search)
        return [replies[place] for place in range(len(requests))]

    def _resolve(self, request: SearchRequest) -> _Asked | SearchReply:
        if len(request.filters) > MAX_FILTERS:
            return _refused(f"The request has {len(request.filters)} filters. At most {MAX_FILTERS} are allowed.")
        try:
            labels = self._rights.labels(request.rights, request.requester)
        except InputError as error:
            return _refused(str(error))
        plain = resolved(request, request.query, labels)
        reading = read_query(request.query) if request.read_query else Reading(request.query, ())
        if not reading.said:
            return _Asked(plain, plain, reading)
        return _Asked(plain, resolved(request, reading.rest, labels, reading.filters), reading)


def _searched(asked: dict[int, _Asked], search: Search) -> dict[int, SearchReply]:
    replies = _by_place({place: one.narrow for place, one in asked.items()}, search)
    dropped = _met_by_nobody({place: asked[place] for place, reply in replies.items() if _is_empty(reply)}, search)
    replies |= _by_place({place: asked[place].plain for place in dropped}, search)
    return {place: _with_reading(reply, asked[place], place in dropped) for place, reply in replies.items()}


def _met_by_nobody(asked: dict[int, _Asked], search: Search) -> frozenset[int]:
    """Of requests that found nobody, those whose conditions nobody meets: a page after the last one is only empty."""
    read = {place: one for place, one in asked.items() if one.reading.said}
    later = {place: one for place, one in read.items() if one.narrow.offset > 0}
    first = {place: replace(one.narrow, offset=0, limit=1, with_matched_text=False) for place, one in later.items()}
    met = {place for place, reply in _by_place(first, search).items() if not _is_empty(reply)}
    return frozenset(read) - met


def _by_place(requests: dict[int, ResolvedRequest], search: Search) -> dict[int, SearchReply]:
    return dict(zip(requests, search(list(requests.values())), strict=True)) if requests else {}


def _is_empty(reply: SearchReply) -> bool:
    return reply.status is ReplyStatus.OK and not reply.hits


def _with_reading(reply: SearchReply, asked: _Asked, dropped: bool) -> SearchReply:
    if not asked.reading.said or reply.status is not ReplyStatus.OK:
        return reply
    query = asked.plain.query if dropped else asked.narrow.query
    return replace(reply, reading=asked.reading.record(query, dropped=dropped))


def _refused(reason: str) -> SearchReply:
    return SearchReply(ReplyStatus.BAD_REQUEST, reason)
