"""Changes with new texts at planned moments, whatever the system does, and what receipts say of them."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.live_traffic import HEADLINES
from kith import wiring
from kith.deadline import Deadline
from kith.services.process import pause
from kith.settings import Settings
from schemas.records import Operation, Outcome, Profile, ProfileChange, Receipt
from streams.publisher import Outgoing
from streams.topic_reader import Ends, read_topic, topic_ends

# The first and the last tenth of a backlog are left out of its rate.
_BEGIN, _END = 0.1, 0.9
_PUBLISH_S = 120.0
# From planning to the first change: encoding takes some 50 microseconds a record.
_LEAD_S, _ENCODED_PER_S = 1.0, 10_000


@dataclass(frozen=True, slots=True)
class Planned:
    """One change: when it happens (milliseconds since the epoch, UTC), of whom, and its record."""

    due_ms: int
    profile_id: str
    version: int
    record: Outgoing


@dataclass(frozen=True, slots=True)
class Settled:
    """What a receipt says of one change, milliseconds since the epoch, UTC."""

    occurred_at: int
    settled_at: int
    outcome: Outcome

    @property
    def took_ms(self) -> int:
        """From the event to acknowledged by the index."""
        return self.settled_at - self.occurred_at


class Receipts:
    """The receipts of changes since this was made.

    Args:
        bulk: of those on the bulk lane, in place of live ones.
    """

    def __init__(self, settings: Settings, *, bulk: bool = False) -> None:
        self._settings, self._topics = settings, wiring.topics(settings)
        self._of = (self._topics.backfill if bulk else self._topics.changes).name
        self._since: Ends = topic_ends(settings.kafka_client(), self._topics.receipts.name)

    def every(self) -> list[Settled]:
        """Those that are there by now, in the order of their outcome."""
        codec = wiring.codec(self._settings)
        found = []
        for stored in read_topic(self._settings.kafka_client(), self._topics.receipts.name, self._since):
            receipt = codec.decode(stored.value or b"", Receipt)
            if receipt.topic == self._of and receipt.occurred_at:
                found.append(Settled(receipt.occurred_at, receipt.settled_at, receipt.outcome))
        codec.close()
        return sorted(found, key=lambda one: one.settled_at)


def poisson(rate: float, for_s: float, chance: random.Random) -> Iterator[float]:
    """Moments of a Poisson process, seconds from its beginning."""
    at = chance.expovariate(rate)
    while at < for_s:
        yield at
        at += chance.expovariate(rate)


def plan(settings: Settings, profiles: int, moments: Sequence[float], seed: int) -> list[Planned]:
    """Changes of synthetic people, each with a text that was never there, encoded before the first one is due.

    Args:
        profiles: people `person-0000000` and on, known to the indexer.
        moments: seconds from the first moment on, rising.
        seed: another one for each plan of an installation.
    """
    codec, topic, chance = wiring.codec(settings), wiring.topics(settings).changes, random.Random(seed)
    began = time.time() + _LEAD_S + len(moments) / _ENCODED_PER_S
    planned = []
    for number, moment in enumerate(moments):
        who, at = f"person-{chance.randrange(profiles):07d}", began + moment
        patch = Profile("-", headline=f"{chance.choice(HEADLINES)}, job {number} of plan {seed}")
        # Rising by one, so that no two changes of a profile have the same version.
        version = int(began * 1e6) + number
        change = ProfileChange(who, version, int(at * 1000), Operation.PATCH, "bench", patch, ["headline"])
        record = Outgoing(topic.name, who.encode(), codec.encode(topic.subject, change))
        planned.append(Planned(change.occurred_at, who, version, record))
    codec.close()
    return planned


def send(
    settings: Settings,
    planned: Sequence[Planned],
    before: Callable[[Planned], None] = lambda _one: None,
    ended: threading.Event | None = None,
) -> list[float]:
    """Hand each change to the producer when it is due: never earlier, and no acknowledgement is waited for.

    Args:
        before: told each change before it is sent.
        ended: what is not sent yet when it is set is left out.

    Returns:
        How much later than due each was handed over, milliseconds.

    Raises:
        RuntimeError: some were not acknowledged by Kafka.
    """
    publisher, late, failed = wiring.publisher(settings), list[float](), list[object]()
    deadline = Deadline.after(_PUBLISH_S + (planned[-1].due_ms - planned[0].due_ms) / 1000)
    for one in planned:
        while (left_ms := one.due_ms - 1000 * time.time()) > 0:
            pause(left_ms / 1000)
        if ended is not None and ended.is_set():
            break
        before(one)
        publisher.enqueue(one.record, lambda error, _message: failed.append(error) if error else None, deadline)
        late.append(1000 * time.time() - one.due_ms)
    if publisher.flush(Deadline.after(_PUBLISH_S)) or failed:
        raise RuntimeError(f"{len(failed)} changes were not acknowledged by Kafka")
    return late


def middle_rate(settled: Sequence[Settled]) -> float:
    """Changes a second of the middle 80 % of a backlog, in the order of their outcome.

    Raises:
        ValueError: too few for two moments.
    """
    first, last = int(_BEGIN * len(settled)), int(_END * len(settled)) - 1
    took_ms = settled[last].settled_at - settled[first].settled_at if last > first else 0
    if took_ms <= 0:
        raise ValueError(f"{len(settled)} changes are too few for a rate.")
    return 1000 * (last - first) / took_ms


def percentiles(taken_ms: Sequence[float]) -> dict[str, float]:
    """Of times in milliseconds: 50th, 95th and 99th percentile, the longest, and how many they are.

    Raises:
        ValueError: there are none.
    """
    if not taken_ms:
        raise ValueError("Nothing was measured.")
    p50, p95, p99 = np.percentile(taken_ms, [50, 95, 99])
    return {
        "count": len(taken_ms),
        "p50_ms": round(float(p50), 1),
        "p95_ms": round(float(p95), 1),
        "p99_ms": round(float(p99), 1),
        "most_ms": round(float(max(taken_ms)), 1),
    }
