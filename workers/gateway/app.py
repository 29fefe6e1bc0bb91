"""The routes of the gateway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Protocol

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder
from starlette.requests import ClientDisconnect

from kith import metrics
from kith.deadline import Deadline
from kith.errors import InputError, Unavailable
from schemas.json_requests import encode_reply
from schemas.rollouts import SearchFeedback
from schemas.search_records import ReplyStatus, SearchReply, SearchRequest
from schemas.trace_headers import TraceHeaders
from workers.gateway.contract import FEEDBACK, QUESTION_HEADERS, REPLY, REQUEST, DescribedApp
from workers.gateway.limits import InFlight, json_body, while_there
from workers.gateway.messages import CODES, Refused, Timeouts, question, retry_after_s, trace
from workers.gateway.messages import feedback as feedback_of
from workers.gateway.spans import Served

# What nginx says of a client that went away; nobody receives it.
_GONE = 499
_JSON = "application/json"
_DESCRIPTION = "People search by meaning. Each request is a record on Kafka, each response the record that answered it."

SEARCH_ROUTE = "/v1/search"

Check = Callable[[], str | None]


class Asks(Protocol):
    """What asks over the bus. Raises `kith.errors.Unavailable` and `InputError`."""

    async def ask_async(self, request: SearchRequest, timeout_s: float, carried: TraceHeaders = (), /) -> SearchReply:
        """The reply to a request; cancelling gives it up."""
        ...


class Tells(Protocol):
    """What publishes feedback. Raises `kith.errors.Unavailable` and `InputError`."""

    def submit(self, told: SearchFeedback) -> Future[None]:
        """Ends once it was acknowledged, or not."""
        ...


@dataclass(frozen=True, slots=True)
class Bounds:
    """What requests may take; `most_in_flight`: those that wait at a time."""

    timeouts: Timeouts
    most_in_flight: int
    most_body_bytes: int


class Gateway:
    """Answers HTTP requests from the bus."""

    def __init__(self, asks: Asks, tells: Tells, bounds: Bounds) -> None:
        self._asks = asks
        self._tells = tells
        self._bounds = bounds
        self._in_flight = InFlight(bounds.most_in_flight)

    async def search(self, request: Request) -> Response:
        """A question; every response is a `SearchReply`, refusals included."""
        with Served(SEARCH_ROUTE, trace(request.headers)) as served:
            try:
                code, reply = await self._searched(request, served.onwards)
            except Refused as refused:
                code, reply = refused.code, SearchReply(refused.status, str(refused))
            carried = served.told(code)
        if code == 401:  # noqa: PLR2004
            carried["www-authenticate"] = "Bearer"
        if (again_s := retry_after_s(reply)) is not None:
            carried["retry-after"] = str(again_s)
            reply = replace(reply, retry_after_ms=reply.retry_after_ms or 1000 * again_s)
        return Response(encode_reply(reply), code, carried, _JSON)

    async def feedback(self, request: Request) -> Response:
        """Feedback; 202 once the brokers acknowledged it."""
        try:
            with self._in_flight:
                body = await json_body(request, self._bounds.most_body_bytes, self._bounds.timeouts.default_s)
                sent = self._tells.submit(feedback_of(body, _now_ms()))
                await while_there(request, asyncio.wrap_future(sent))
        except Refused as refused:
            return _said(refused.code, str(refused))
        except InputError as error:
            return _said(400, str(error))
        except Unavailable as error:
            return _said(503, str(error))
        return JSONResponse({"accepted": True}, 202)

    async def _searched(self, request: Request, onwards: TraceHeaders) -> tuple[int, SearchReply]:
        with self._in_flight:
            body = await json_body(request, self._bounds.most_body_bytes, self._bounds.timeouts.default_s)
            asked = question(body, request.headers, _now_ms(), self._bounds.timeouts)
            deadline = Deadline.after(asked.timeout_s)
            try:
                reply = await while_there(request, self._asks.ask_async(asked.request, asked.timeout_s, onwards))
            except InputError as error:
                raise Refused(400, error.message, error.hint) from error
            except Unavailable as error:
                late = deadline.expired()
                reply = SearchReply(ReplyStatus.EXPIRED if late else ReplyStatus.UNAVAILABLE, str(error))
            return CODES[reply.status], reply


def create_app(gateway: Gateway, checks: Mapping[str, Check], version: str) -> DescribedApp:
    """The application.

    Args:
        checks: by name; each reads state and gives why the gateway is not ready, or None.
    """
    # The pages of FastAPI fetch their scripts from elsewhere; the document is enough.
    app = DescribedApp(
        title="kith",
        version=version,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        # FastAPI's own spans would hold addresses of clients and texts of errors.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    _serve_answers(app, gateway)
    _serve_state(app, checks)
    return app


def _serve_answers(app: DescribedApp, gateway: Gateway) -> None:
    @app.post(
        SEARCH_ROUTE,
        openapi_extra=_takes(REQUEST) | QUESTION_HEADERS,
        responses=_search_responses(),
        response_class=Response,
    )
    async def search(request: Request) -> Response:
        """Ask who fits. `x-request-timeout-ms` or `deadline_at` bounds it; a Bearer token becomes `rights`."""
        return await _measured("search", gateway.search(request))

    @app.post(
        "/v1/feedback",
        status_code=202,
        openapi_extra=_takes(FEEDBACK),
        responses=_FEEDBACK_RESPONSES,
        response_class=Response,
    )
    async def feedback(request: Request) -> Response:
        """Tell what a requester did with a hit of a reply, by the reply's `request_id` and `model`."""
        return await _measured("feedback", gateway.feedback(request))


def _serve_state(app: DescribedApp, checks: Mapping[str, Check]) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, bool]:
        """Whether the process answers."""
        return {"alive": True}

    @app.get("/readyz", responses={503: {"description": "Not ready; the body says why."}})
    async def readyz() -> Response:
        """Whether requests can be passed on."""
        reasons = {name: reason for name, check in checks.items() if (reason := check()) is not None}
        return JSONResponse({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    @app.get("/metrics", response_class=Response)
    async def metrics_(request: Request) -> Response:
        """For Prometheus; as OpenMetrics where it is asked for."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(REGISTRY), media_type=content_type)


async def _measured(route: str, work: Awaitable[Response]) -> Response:
    with metrics.GATEWAY_SECONDS.labels(route=route).time():
        try:
            response = await work
        except ClientDisconnect:
            response = Response(status_code=_GONE)
    metrics.GATEWAY_REQUESTS.labels(route=route, code=str(response.status_code)).inc()
    return response


def _said(code: int, error: str) -> Response:
    return JSONResponse({"error": error}, code, {"retry-after": "1"} if code in (429, 503) else None)


def _takes(content: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": content}}


_REFUSALS = {
    401: "An authorization that is no Bearer token.",
    408: "The body did not come in time.",
    413: "The body is too large.",
    415: "The content-type is not application/json.",
}


def _search_responses() -> dict[int | str, dict[str, Any]]:
    by_status = {code: f"The reply's status is {status.value}." for status, code in CODES.items()}
    return {code: {"description": said, "content": REPLY} for code, said in sorted((by_status | _REFUSALS).items())}


_FEEDBACK_RESPONSES: dict[int | str, dict[str, Any]] = {
    202: {"description": "The brokers acknowledged it."},
    400: {"description": "It is not as its contract says."},
    **{code: {"description": said} for code, said in _REFUSALS.items() if code != 401},  # noqa: PLR2004
    429: {"description": "Too many requests are in hand."},
    503: {"description": "Kafka is not there now."},
}


def _now_ms() -> int:
    return int(time.time() * 1000)
