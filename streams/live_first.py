"""Bulk work waits while live changes do."""

from __future__ import annotations

import time
from collections.abc import Callable

from confluent_kafka import KafkaException

from kith.deadline import Deadline
from streams.lag import GroupLag

_LOOK_EVERY_S = 0.5
_PAUSE_S = 0.1


class LiveFirst:
    """Holds bulk work back while more live changes wait than may.

    Args:
        lag: makes what asks for the backlog of the live indexer; asked anew after a failure.
        topic: the change stream.
        most: live changes that may wait.
    """

    def __init__(self, lag: Callable[[], GroupLag], topic: str, most: int) -> None:
        self._make_lag = lag
        self._topic = topic
        self._most = most
        self._lag: GroupLag | None = None
        self._look_again = Deadline.after(0)
        self.waiting = 0

    def wait(self) -> None:
        """Return once few enough live changes wait; brokers that do not answer hold nothing back."""
        while self._look() > self._most:
            time.sleep(_PAUSE_S)  # noqa: TID251 (a command of its own)

    def close(self) -> None:
        """Give the connections back."""
        if self._lag is not None:
            self._lag.close()
            self._lag = None

    def _look(self) -> int:
        if not self._look_again.expired() and self.waiting <= self._most:
            return self.waiting
        self._look_again = Deadline.after(_LOOK_EVERY_S)
        if self._lag is None:
            self._lag = self._make_lag()
        try:
            self.waiting = sum(lag for (topic, _p), lag in self._lag.look().items() if topic == self._topic)
        except (KafkaException, TimeoutError):
            # An old client goes on with the leader of a broker that was restarted.
            self.close()
            self.waiting = 0
        return self.waiting
