"""What is recorded of a record or a request on its way; for the whole process, as metrics and logs are.

Nothing is recorded, and nothing imported, until a tracer is installed (`kith/tracing.py`); `begin` is then None always.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from types import TracebackType
from typing import Protocol, Self

Attributes = Mapping[str, str | int | float | bool]
# Fields of W3C Trace Context by name: traceparent, tracestate.
Context = Mapping[str, str]


class Kind(Enum):
    """What a span is between processes."""

    INTERNAL = auto()
    SERVER = auto()
    CLIENT = auto()
    PRODUCER = auto()
    CONSUMER = auto()


class Span(Protocol):
    """A span that is recorded. Times are nanoseconds since the epoch. Safe for several threads."""

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits."""
        ...

    @property
    def began_ns(self) -> int:
        """When it began."""
        ...

    def context(self) -> dict[str, str]:
        """What makes this span the parent of what another process does next."""
        ...

    def child(
        self, name: str, kind: Kind = Kind.INTERNAL, attributes: Attributes | None = None, began_ns: int | None = None
    ) -> Span:
        """Begin a part of this; `began_ns` None: now."""
        ...

    def describe(self, attributes: Attributes) -> None:
        """Add attributes."""
        ...

    def end(self, error: str | None = None, ended_ns: int | None = None) -> None:
        """End it, `error`: failed, by this kind of error; `ended_ns` None: now."""
        ...


class Tracer(Protocol):
    """What decides which spans are recorded, and records them."""

    def begin(self, name: str, kind: Kind, context: Context, attributes: Attributes) -> Span | None:
        """As `begin` below."""
        ...

    def declined(self) -> dict[str, str]:
        """The context of a trace that is not recorded."""
        ...


class _Installed:
    tracer: Tracer | None = None


def install(tracer: Tracer | None) -> None:
    """Record with this tracer from now on; None records nothing."""
    _Installed.tracer = tracer


def are_on() -> bool:
    """Whether anything is recorded in this process."""
    return _Installed.tracer is not None


def begin(name: str, kind: Kind, context: Context, attributes: Attributes) -> Span | None:
    """Begin what this process does for a trace; None where that is not recorded.

    Whoever began the trace decided whether it is recorded. Without a context it begins here, and chance decides.
    """
    tracer = _Installed.tracer
    return None if tracer is None else tracer.begin(name, kind, context, attributes)


def onwards(span: Span | None, context: Context) -> Context:
    """What goes on to the next process, from where a trace may begin: also that this one is not recorded."""
    if span is not None:
        return span.context()
    tracer = _Installed.tracer
    return context if tracer is None or "traceparent" in context else tracer.declined()


def exemplar(span: Span | None) -> dict[str, str] | None:
    """What leads from an observation of a metric to its trace."""
    return None if span is None else {"trace_id": span.trace_id}


class SharedSpan:
    """A span of the same length in several traces, for work that is done at once: entered, it goes on.

    Args:
        parents: spans that it is a part of; without any, nothing is done.
    """

    def __init__(
        self,
        name: str,
        parents: Sequence[Span],
        kind: Kind = Kind.INTERNAL,
        attributes: Attributes | None = None,
    ) -> None:
        self._name = name
        self._parents = parents
        self._kind = kind
        self._attributes = attributes
        self._began_ns = 0

    def __enter__(self) -> Self:
        if self._parents:
            self._began_ns = time.time_ns()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._parents:
            return
        ended_ns, failed = time.time_ns(), None if kind is None else kind.__name__
        for parent in self._parents:
            parent.child(self._name, self._kind, self._attributes, self._began_ns).end(failed, ended_ns)
