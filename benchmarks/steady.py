"""Changes at a fixed rate for minutes: does lag, memory or freshness creep?"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import psutil
from confluent_kafka import Consumer, TopicPartition

from benchmarks.cpu_shares import cores, look
from benchmarks.installation import Installation, say, wait_level
from benchmarks.record import keep
from benchmarks.trend import Trend, trend
from distill.synthetic import synthetic_profiles
from kith import wiring
from kith.deadline import Deadline
from kith.settings import Settings
from schemas.records import Operation, Outcome, ProfileChange, Receipt
from streams.clock import now_ms
from streams.groups import committed
from streams.produce import ProduceReport, produce
from streams.sources.items import Parsed
from streams.topic_reader import topic_ends

EVERY_S = 10.0
# The first minute is left out of the trends.
WARM_UP_S = 60.0
# Changes before, as fast as they go: what has bounds, as the table's cache and its write buffers, is full by then.
BEFORE = 80_000
_VERSIONS = ("onnxruntime", "pymilvus", "faust-streaming", "confluent-kafka")
_JOIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Sampled:
    """What was so at a moment, seconds after the beginning. Freshness and cores: since the sample before."""

    at_s: float
    lag: int
    rss_mib: float
    freshness_p50_ms: float
    freshness_p95_ms: float
    settled: int
    cores: dict[str, float]


@dataclass
class Flow:
    """What threads and samples share."""

    ended: threading.Event = field(default_factory=threading.Event)
    fresh: list[float] = field(default_factory=list)
    failed: list[BaseException] = field(default_factory=list)
    report: ProduceReport | None = None


def steady(one: Installation, minutes: float, people: int, rate: float) -> None:
    """Send changes of so many people at a rate (changes a second), sample, print, and keep as `steady`."""
    settings, flow = one.settings, Flow()
    process = psutil.Process(one.start(settings, "index").pid)
    changes = _changes(people, flow)
    _send(settings, itertools.islice(changes, BEFORE), None)
    wait_level(settings)
    say(f"{BEFORE:,} changes are settled, {process.memory_info().rss / 2**20:.0f} MiB: now {rate:.0f} a second")

    def send() -> None:
        flow.report = _send(settings, changes, rate)

    threads = [
        threading.Thread(target=_kept, args=[flow, send]),
        threading.Thread(target=_kept, args=[flow, partial(_follow, settings, flow)]),
    ]
    for thread in threads:
        thread.start()
    try:
        parts = one.processes() | {"indexer": [process]}
        samples = _sample(settings, parts, flow, 60 * minutes)
    finally:
        flow.ended.set()
        for thread in threads:
            thread.join(_JOIN_S)
    if flow.failed:
        raise flow.failed[0]
    wait_level(settings)
    _tell(samples, rate, people, flow)


def _kept(flow: Flow, work: Any) -> None:
    try:
        work()
    except BaseException as error:
        flow.failed.append(error)
        flow.ended.set()
        raise


def _send(settings: Settings, changes: Iterator[Parsed], rate: float | None) -> ProduceReport:
    codec, publisher = wiring.codec(settings), wiring.publisher(settings)
    return produce(
        changes,
        publisher,
        codec,
        wiring.topics(settings),
        max_record_bytes=settings.max_record_bytes,
        rate=rate,
    )


def _changes(people: int, flow: Flow) -> Iterator[Parsed]:
    """Everybody in turn, again and again, each time with another headline: a text that was never embedded."""
    everybody = list(synthetic_profiles(people, 3))
    number = 0
    while not flow.ended.is_set():
        person = everybody[number % people]
        profile = replace(person.profile, headline=f"{person.profile.headline or 'At work'}, no. {number}")
        version = number // people + 1
        change = ProfileChange(person.profile_id, version, now_ms(), Operation.UPSERT, "steady", profile)
        number += 1
        yield Parsed(number, change, b"", number)


def _follow(settings: Settings, flow: Flow) -> None:
    topic, codec = wiring.topics(settings).receipts.name, wiring.codec(settings)
    consumer = Consumer(settings.kafka_client(**{"group.id": "steady", "enable.auto.commit": False}))
    consumer.assign([TopicPartition(topic, number, end) for number, end in _ends(settings, topic).items()])
    while not flow.ended.is_set():
        for message in consumer.consume(500, 0.2):
            receipt = codec.decode(message.value() or b"", Receipt)
            if receipt.occurred_at and receipt.outcome is Outcome.INDEXED:
                flow.fresh.append(receipt.settled_at - receipt.occurred_at)
    consumer.close()


def _sample(
    settings: Settings, parts: Mapping[str, Sequence[psutil.Process]], flow: Flow, seconds: float
) -> list[Sampled]:
    samples, began, deadline, seen = list[Sampled](), time.monotonic(), Deadline.after(seconds), 0
    [indexer] = parts["indexer"]
    before = look(parts, indexer)
    while not deadline.expired() and not flow.ended.wait(min(EVERY_S, deadline.remaining())):
        fresh, seen = flow.fresh[seen:], len(flow.fresh)
        moment = look(parts, indexer)
        samples.append(
            Sampled(
                at_s=round(time.monotonic() - began, 1),
                lag=_lag(settings),
                rss_mib=round(indexer.memory_info().rss / 2**20, 1),
                freshness_p50_ms=_percentile(fresh, 50),
                freshness_p95_ms=_percentile(fresh, 95),
                settled=len(fresh),
                cores={name: round(taken, 2) for name, taken in cores(before, moment).items() if name in parts},
            )
        )
        before = moment
        say(str(samples[-1]))
    return samples


def _lag(settings: Settings) -> int:
    group, topic = wiring.indexer_group(settings), wiring.topics(settings).changes.name
    ends = _ends(settings, topic)
    reached = committed(settings.kafka_client(), group, topic, ends)
    return sum(end - reached.get(number, 0) for number, end in ends.items())


def _ends(settings: Settings, topic: str) -> dict[int, int]:
    return topic_ends(settings.kafka_client(), topic)


def _percentile(values: Sequence[float], share: float) -> float:
    return round(float(np.percentile(values, share)), 1) if values else float("nan")


def trends(samples: Sequence[Sampled]) -> dict[str, Trend]:
    """Trends of what must not creep, after the warm-up. Needs three samples there."""
    warm = [one for one in samples if one.at_s >= WARM_UP_S]
    at = [one.at_s for one in warm]
    return {
        "lag": trend(at, [one.lag for one in warm]),
        "rss_mib": trend(at, [one.rss_mib for one in warm]),
        "freshness_p95_ms": trend(at, [one.freshness_p95_ms for one in warm]),
    }


def _tell(samples: Sequence[Sampled], rate: float, people: int, flow: Flow) -> None:
    found = trends(samples)
    for name, one in found.items():
        word = "flat" if one.flat else "NOT FLAT"
        print(f"{name:18} mean {one.mean:9.1f}, change over the run {one.change:+8.1f} (error {one.error:.1f}): {word}")
    figures = {
        "rate_per_s": round(rate, 1),
        "people": people,
        "sent": flow.report.sent if flow.report else 0,
        "seconds": samples[-1].at_s,
        "freshness_ms": {f"p{share}": _percentile(flow.fresh, share) for share in (50, 95, 99)},
        "trends": {name: asdict(one) | {"flat": one.flat} for name, one in found.items()},
        "samples": [asdict(one) for one in samples],
    }
    print(f"freshness of all: {figures['freshness_ms']} ms at {rate:.0f}/s", flush=True)
    keep("steady", figures, _VERSIONS, lambda axes: _draw(axes, samples))


def _draw(axes: Any, samples: Sequence[Sampled]) -> None:
    at = [one.at_s / 60 for one in samples]
    for name in ("lag", "rss_mib", "freshness_p95_ms"):
        axes.plot(at, [getattr(one, name) for one in samples], label=name.replace("_", " "))
    axes.set_xlabel("minutes")
    axes.set_ylim(bottom=0)
    axes.legend()
