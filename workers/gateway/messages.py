"""HTTP requests to requests on the bus, and replies to HTTP: the same fields under the same names. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pydantic import BaseModel, ConfigDict, ValidationError

from kith.errors import KithError
from schemas import headers
from schemas.codec import DecodeError
from schemas.json_requests import decode_request
from schemas.rollouts import FeedbackAction, SearchFeedback
from schemas.search_records import ReplyStatus, SearchReply, SearchRequest
from schemas.trace_headers import TraceHeaders, trace_headers

# 409 and not 425 for `not_yet`: 425 is about replayed TLS data, and some clients repeat such a request by themselves.
CODES = {
    ReplyStatus.OK: 200,
    ReplyStatus.BAD_REQUEST: 400,
    ReplyStatus.NOT_YET: 409,
    ReplyStatus.OVERLOADED: 429,
    ReplyStatus.UNAVAILABLE: 503,
    ReplyStatus.EXPIRED: 504,
}
_AGAIN = frozenset({ReplyStatus.OVERLOADED, ReplyStatus.UNAVAILABLE})

# W3C Trace Context, version 00 and later ones that begin alike.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_MAX_TRACESTATE_CHARS = 512
# The largest numbers of Avro's types.
_INT, _LONG = 2**31 - 1, 2**63 - 1
_DIGITS = re.compile(r"[0-9]{1,9}")


class Refused(KithError):
    """This HTTP request is not passed on.

    Args:
        code: HTTP status of the response.
        status: status of the reply in its body.
    """

    def __init__(self, code: int, message: str, hint: str = "", status: ReplyStatus = ReplyStatus.BAD_REQUEST) -> None:
        super().__init__(message, hint)
        self.code = code
        self.status = status


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds that a question may take: where it says nothing, and at most."""

    default_s: float
    most_s: float


@dataclass(frozen=True, slots=True)
class Question:
    """A request for the bus, and how long to wait for its reply, seconds."""

    request: SearchRequest
    timeout_s: float


class FeedbackBody(BaseModel):
    """What a requester did with a hit. `occurred_at`: milliseconds since the epoch, UTC; now where it is left out."""

    model_config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())

    request_id: str
    profile_id: str
    model: str
    action: FeedbackAction
    occurred_at: int | None = None


def question(body: bytes, given: Mapping[str, str], now_ms: int, timeouts: Timeouts) -> Question:
    """The request that an HTTP request stands for. The earlier of its two deadlines counts.

    Args:
        given: HTTP headers, names in lower case.

    Raises:
        Refused: it is none, has its rights twice, waits for too long, or its deadline has passed.
    """
    try:
        request = decode_request(body)
    except DecodeError as error:
        raise Refused(400, error.message, error.hint) from error
    _check_numbers(request)
    rights = _bearer(given.get("authorization"))
    if rights is not None and request.rights is not None:
        raise Refused(400, "The rights stand in the header authorization and in the body.", "Give them once.")
    timeout_s = _timeout_s(request, given.get(headers.HTTP_TIMEOUT_MS), now_ms, timeouts)
    asked = replace(request, deadline_at=now_ms + round(1000 * timeout_s), rights=rights or request.rights)
    return Question(asked, timeout_s)


def feedback(body: bytes, now_ms: int) -> SearchFeedback:
    """The feedback in a JSON text.

    Raises:
        Refused: it is no JSON, lacks a field, has an unknown one, or one of another type; names the first.
    """
    try:
        read = FeedbackBody.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Refused(400, f"{where}: {first['msg']}." if where else f"{first['msg']}.") from error
    occurred_at = now_ms if read.occurred_at is None else read.occurred_at
    return SearchFeedback(read.request_id, read.profile_id, read.model, read.action, occurred_at)


def trace(given: Mapping[str, str]) -> TraceHeaders:
    """What an HTTP request carries of its trace: a context only where it is valid, as W3C Trace Context asks for."""
    found = {"baggage": given.get(headers.BAGGAGE, "").strip()}
    parent = given.get("traceparent", "").strip()
    if _TRACEPARENT.fullmatch(parent) and not (parent.startswith("00") and parent.count("-") != 3):  # noqa: PLR2004
        state = given.get("tracestate", "").strip()
        found = {"traceparent": parent, "tracestate": state if len(state) <= _MAX_TRACESTATE_CHARS else ""} | found
    return trace_headers({name: value for name, value in found.items() if value})


def retry_after_s(reply: SearchReply) -> int | None:
    """Whole seconds for the header Retry-After; None where coming again does not help."""
    if reply.retry_after_ms is None:
        return 1 if reply.status in _AGAIN else None
    return max(1, math.ceil(reply.retry_after_ms / 1000))


def _check_numbers(request: SearchRequest) -> None:
    """JSON has numbers of any size, and a record on the bus has not. Whether they make sense is said there."""
    places = [(f"at_least.{i}", place) for i, place in enumerate(request.at_least)]
    numbers = (
        ("limit", request.limit, _INT),
        ("offset", request.offset, _INT),
        ("deadline_at", request.deadline_at or 0, _LONG),
        *((f"{path}.partition", place.partition, _INT) for path, place in places),
        *((f"{path}.offset", place.offset, _LONG) for path, place in places),
    )
    for path, number, most in numbers:
        if not -most <= number <= most:
            raise Refused(400, f"{path}: not a number that a record can hold.", f"Give at most {most}.")


def _bearer(authorization: str | None) -> str | None:
    if authorization is None:
        return None
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        # What was given is not repeated: it may be a secret of another kind.
        raise Refused(
            401, "The header authorization is not a Bearer token.", "Give `Bearer <rights>`, or leave it out."
        )
    return token.strip()


def _timeout_s(request: SearchRequest, asked_ms: str | None, now_ms: int, timeouts: Timeouts) -> float:
    given: list[float] = []
    if asked_ms is not None:
        if not _DIGITS.fullmatch(asked_ms.strip()) or int(asked_ms) == 0:
            raise Refused(400, f"The header {headers.HTTP_TIMEOUT_MS} is no number of milliseconds.", "Give 1 or more.")
        given.append(int(asked_ms) / 1000)
    if request.deadline_at is not None:
        given.append((request.deadline_at - now_ms) / 1000)
    timeout_s = min(given, default=timeouts.default_s)
    if timeout_s <= 0:
        raise Refused(504, "deadline_at had passed when the request came.", status=ReplyStatus.EXPIRED)
    if timeout_s > timeouts.most_s:
        raise Refused(400, f"The deadline is {timeout_s:g} s away.", f"Give at most {timeouts.most_s:g} s.")
    return timeout_s
