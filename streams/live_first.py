"""Bulk work gives way to live changes: it waits while these are searchable later than before it began."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog
from confluent_kafka import KafkaException

from kith.deadline import Deadline
from kith.errors import KithError
from streams.lag import GroupLag
from streams.live_freshness import LiveFreshness

log = structlog.get_logger(__name__)

# Live changes may take half as long again; below a tenth of a second nobody notices.
_SLOWER = 1.5
_UNNOTICED_MS = 100.0
_WINDOW_S = 2.0
# Where nothing is known of their freshness: live changes that may wait.
_LAG = 100
_LAG_EVERY_S = 0.5
_PAUSE_S = 0.1
_LOOK_AGAIN_S = 3.0


class LiveFirst:
    """Holds bulk work back for as long as live changes need it, piece by piece.

    Args:
        fresh: how fresh live changes are at the moment.
        before_ms: 95th percentile of it before the bulk work began; None where there were no live changes.
        lag: makes what asks for the backlog of the live indexer; asked anew after a failure.
        topic: the change stream.
        most_s: longest hold of one piece: bulk work goes on slowly on a machine that is busy anyway.
    """

    def __init__(
        self, fresh: LiveFreshness, before_ms: float | None, lag: Callable[[], GroupLag], topic: str, most_s: float
    ) -> None:
        self.fresh = fresh
        self._before_ms = before_ms
        self._make_lag = lag
        self._topic = topic
        self._most_s = most_s
        self._lag: GroupLag | None = None
        self._look_again = Deadline.after(0)
        self.waiting = 0

    def wait(self) -> None:
        """Return once live changes are as fresh as they may be; brokers that do not answer hold nothing back."""
        deadline = Deadline.after(self._most_s)
        while self._late() and not deadline.expired():
            time.sleep(_PAUSE_S)  # noqa: TID251 (never on an event loop)

    def close(self) -> None:
        """Give the connections back."""
        self.fresh.close()
        self._forget_lag()

    def _late(self) -> bool:
        now_ms = self.fresh.p95_ms(_WINDOW_S)
        waiting = self._look()
        if now_ms is None or self._before_ms is None:
            return waiting > _LAG
        return now_ms > max(_UNNOTICED_MS, _SLOWER * self._before_ms)

    def _look(self) -> int:
        if not self._look_again.expired():
            return self.waiting
        self._look_again = Deadline.after(_LAG_EVERY_S)
        if self._lag is None:
            self._lag = self._make_lag()
        try:
            self.waiting = sum(lag for (topic, _p), lag in self._lag.look().items() if topic == self._topic)
        except (KafkaException, TimeoutError):
            # An old client goes on with the leader of a broker that was restarted.
            self._forget_lag()
            self.waiting = 0
        return self.waiting

    def _forget_lag(self) -> None:
        if self._lag is not None:
            self._lag.close()
            self._lag = None


class GivesWay:
    """Lets an indexer whose model answers nobody give way to the live one's, batch by batch.

    Args:
        own: its release.
        live: the release that is to be given way to, its own for none; None while that is not known. Blocking.
        first: what holds it back, given the live release. Blocking.
    """

    def __init__(self, own: str, live: Callable[[], str | None], first: Callable[[str], LiveFirst]) -> None:
        self._own = own
        self._ask = live
        self._make = first
        self._look_again = Deadline.after(0)
        self._live: str | None = None
        self._first: LiveFirst | None = None

    async def __call__(self) -> None:
        """Return once the next batch may be worked on."""
        if self._behind_nobody() and not self._look_again.expired():
            return
        await asyncio.to_thread(self._wait)

    def _behind_nobody(self) -> bool:
        return self._live is None or self._live == self._own

    def _wait(self) -> None:
        if self._look_again.expired():
            self._look_again = Deadline.after(_LOOK_AGAIN_S)
            live = self._ask()
            if live != self._live:
                self._forget()
            self._live = live
        if self._behind_nobody():
            return
        try:
            if self._first is None:
                self._first = self._make(str(self._live))
            self._first.wait()
        except KithError as error:
            # Work does not stop because nobody can tell whom it holds up.
            log.warning("gives way to nobody", reason=str(error))
            self._forget()

    def _forget(self) -> None:
        if self._first is not None:
            self._first.close()
            self._first = None
