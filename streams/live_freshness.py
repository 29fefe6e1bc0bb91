"""How fresh live changes are at the moment: from the receipts, as they are written."""

from __future__ import annotations

import time
import uuid
from collections import deque
from typing import Any

import numpy as np
from confluent_kafka import Consumer, TopicPartition

from kith.deadline import Deadline
from schemas.codec import Codec
from schemas.records import Outcome, Receipt
from schemas.topics import Topics
from streams.clock import now_ms
from streams.topic_reader import offsets_at

_REMEMBERED = 500
# At most this many at a look: a backfill writes receipts too, and whoever looks has other things to do.
_MOST = 2000
_LOOK_S = 0.1


class LiveFreshness:
    """Event time to searchable of the last live changes that were indexed.

    Args:
        config: librdkafka configuration to reach the cluster.
        model: release whose index is meant.
        since_s: begin with what was indexed so long ago, seconds.
    """

    def __init__(
        self, config: dict[str, Any], codec: Codec, topics: Topics, model: str, *, since_s: float = 0.0
    ) -> None:
        self._consumer = Consumer(
            config | {"group.id": f"kith-fresh-{uuid.uuid4()}", "enable.auto.commit": False, "log_level": 0}
        )
        begin = offsets_at(config, topics.receipts.name, now_ms() - int(1000 * since_s))
        self._consumer.assign([TopicPartition(topics.receipts.name, number, at) for number, at in begin.items()])
        self._codec = codec
        self._live = topics.changes.name
        self._model = model
        # When it was indexed, and how fresh it was then, milliseconds.
        self._last: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)

    def p95_ms(self, within_s: float | None = None) -> float | None:
        """95th percentile over the last changes, milliseconds; None when there were none.

        Args:
            within_s: only of those that were indexed within so many seconds.
        """
        for message in self._consumer.consume(_MOST, 0):
            value = message.value()
            if message.error() is None and value is not None:
                self._take(self._codec.decode(value, Receipt))
        since = 0 if within_s is None else now_ms() - int(1000 * within_s)
        taken = [fresh for settled_at, fresh in self._last if settled_at >= since]
        return float(np.percentile(taken, 95)) if taken else None

    def settled_p95_ms(self, patience_s: float) -> float | None:
        """As `p95_ms`, after some time for reading what is there already; blocking for so many seconds."""
        deadline = Deadline.after(patience_s)
        while not deadline.expired():
            self.p95_ms()
            time.sleep(_LOOK_S)  # noqa: TID251 (a command of its own)
        return self.p95_ms()

    def close(self) -> None:
        """Give the connections back."""
        self._consumer.close()

    def _take(self, receipt: Receipt) -> None:
        if (receipt.topic, receipt.model, receipt.outcome) != (self._live, self._model, Outcome.INDEXED):
            return
        if receipt.occurred_at is not None:
            self._last.append((receipt.settled_at, max(0, receipt.settled_at - receipt.occurred_at)))
