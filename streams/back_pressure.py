"""Not now: wait with a growing, jittered pause, say so, and go on by itself; bounded in time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_delay, wait_random_exponential

from kith import metrics
from kith.errors import Unavailable

_ResultT = TypeVar("_ResultT")

log = structlog.get_logger(__name__)


class BackPressure:
    """Repeats work that is unavailable for now.

    While it waits, nothing is acknowledged: the stream's bounded buffers fill and fetching stops, so memory is bounded.

    Args:
        max_wait_s: longest pause between two attempts, seconds.
        give_up_s: time after which `Unavailable` is let through, for the supervisor to restart the process.
    """

    def __init__(self, max_wait_s: float, give_up_s: float) -> None:
        self._max_wait_s = max_wait_s
        self._give_up_s = give_up_s
        self._reasons: dict[object, str] = {}

    @property
    def reason(self) -> str | None:
        """Why work is waiting, the first of what waits; None when nothing does."""
        return next(iter(self._reasons.values()), None)

    async def through(self, part: str, work: Callable[[], Awaitable[_ResultT]]) -> _ResultT:
        """Await `work()`, again and again while it raises `Unavailable`.

        Args:
            part: name of what is waited for, a label of the metric.

        Raises:
            Unavailable: still unavailable after `give_up_s`.
        """
        one = object()
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(Unavailable),
            wait=wait_random_exponential(multiplier=0.25, max=self._max_wait_s),
            stop=stop_after_delay(self._give_up_s),
            before_sleep=lambda state: self._note(one, part, state),
            reraise=True,
        )

        async def attempt() -> _ResultT:
            return await work()

        try:
            return await attempts(attempt)
        finally:
            self._reasons.pop(one, None)

    def _note(self, one: object, part: str, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self._reasons[one] = f"{part}: {error}"
        metrics.UNAVAILABLE.labels(part=part).inc()
        pause = state.next_action.sleep if state.next_action else 0.0
        log.warning(
            "unavailable", part=part, reason=str(error), attempt=state.attempt_number, retry_in_s=round(pause, 2)
        )
