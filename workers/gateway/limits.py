"""What an HTTP request may take: room, bytes, time, and only while its client is there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from kith import metrics
from schemas.search_records import ReplyStatus
from workers.gateway.messages import Refused

_ResultT = TypeVar("_ResultT")


class InFlight:
    """Requests in hand, bounded. Of one event loop.

    Args:
        most: more are refused with 429.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._now = 0

    def __enter__(self) -> None:
        if self._now >= self._most:
            raise Refused(
                429, f"{self._most} requests are in hand already.", "Come again.", status=ReplyStatus.OVERLOADED
            )
        self._now += 1
        metrics.GATEWAY_IN_FLIGHT.set(self._now)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._now -= 1
        metrics.GATEWAY_IN_FLIGHT.set(self._now)


async def json_body(request: Request, most_bytes: int, timeout_s: float) -> bytes:
    """The body of a request.

    Raises:
        Refused: it is not JSON by its content-type, too large, or did not come in time.
        starlette.requests.ClientDisconnect: the client went away.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, "The content-type is not application/json.", "Send JSON, and say so.")
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > most_bytes:
        raise _too_large(most_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for piece in request.stream():
                body += piece
                if len(body) > most_bytes:
                    raise _too_large(most_bytes)
    except TimeoutError:
        raise Refused(408, f"The body did not come within {timeout_s:g} s.") from None
    return bytes(body)


async def while_there(request: Request, work: Awaitable[_ResultT]) -> _ResultT:
    """What some work gives; it is cancelled when the client goes away first. The body has to be read before.

    Raises:
        starlette.requests.ClientDisconnect: the client went away.
    """
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()
        gone.cancel()
        # What the work raised was raised above.
        await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _too_large(most_bytes: int) -> Refused:
    return Refused(413, f"The body is larger than {most_bytes:,} bytes.", "Shorten it.")
