"""How fresh live changes are at the moment: from the receipts, as they are written."""

from __future__ import annotations

import uuid
from collections import deque
from typing import Any

import numpy as np
from confluent_kafka import Consumer, TopicPartition

from schemas.codec import Codec
from schemas.records import Outcome, Receipt
from schemas.topics import Topics
from streams.topic_reader import topic_ends

_REMEMBERED = 500
# At most this many at a look: a backfill writes receipts too, and whoever looks has other things to do.
_MOST = 2000


class LiveFreshness:
    """Event time to searchable of the last live changes that were indexed.

    Args:
        config: librdkafka configuration to reach the cluster.
        model: release whose index is meant.
    """

    def __init__(self, config: dict[str, Any], codec: Codec, topics: Topics, model: str) -> None:
        self._consumer = Consumer(
            config | {"group.id": f"kith-fresh-{uuid.uuid4()}", "enable.auto.commit": False, "log_level": 0}
        )
        ends = topic_ends(config, topics.receipts.name)
        self._consumer.assign([TopicPartition(topics.receipts.name, number, end) for number, end in ends.items()])
        self._codec = codec
        self._live = topics.changes.name
        self._model = model
        self._last: deque[int] = deque(maxlen=_REMEMBERED)

    def p95_ms(self) -> float | None:
        """95th percentile over the last changes, milliseconds; None when there were none."""
        for message in self._consumer.consume(_MOST, 0):
            value = message.value()
            if message.error() is None and value is not None:
                self._take(self._codec.decode(value, Receipt))
        return float(np.percentile(self._last, 95)) if self._last else None

    def close(self) -> None:
        """Give the connections back."""
        self._consumer.close()

    def _take(self, receipt: Receipt) -> None:
        if (receipt.topic, receipt.model, receipt.outcome) != (self._live, self._model, Outcome.INDEXED):
            return
        if receipt.occurred_at is not None:
            self._last.append(max(0, receipt.settled_at - receipt.occurred_at))
