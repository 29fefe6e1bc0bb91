"""The span of an HTTP request, and what of its trace goes on: to the bus, and back."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from kith import span_names as names
from kith import traces
from kith.traces import Kind
from schemas import headers
from schemas.trace_headers import TraceHeaders, context, first

_FAILED = 500


class Served:
    """A request that is worked on while this is entered.

    Args:
        route: as the application declares it.
        carried: the trace that the client sent, checked.

    Attributes:
        onwards: headers for the bus.
    """

    def __init__(self, route: str, carried: TraceHeaders) -> None:
        described = {names.HTTP_METHOD: "POST", names.HTTP_ROUTE: route}
        self._carried = carried
        self._span = traces.begin(f"POST {route}", Kind.SERVER, context(carried), described)
        self._error: str | None = None
        self.onwards = first(self._span, carried)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._span is not None:
            self._span.end(self._error if kind is None else kind.__name__)

    def told(self, code: int) -> dict[str, str]:
        """Headers for the response with this status: the trace as the client sent it, or the one that began here."""
        if self._span is not None:
            self._span.describe({names.HTTP_STATUS: code})
        self._error = str(code) if code >= _FAILED else None
        came = {name: value.decode() for name, value in self._carried if name in headers.TRACE_CONTEXT}
        return came if came or self._span is None else self._span.context()
