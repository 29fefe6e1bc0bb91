"""Live traffic on an installation, and what it met: changes at a rate, questions at a rate, receipts as they come."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from confluent_kafka import Consumer, TopicPartition

from distill.golden.dataset import golden_dataset
from kith import wiring
from kith.deadline import Deadline
from kith.settings import Settings
from schemas.records import Operation, Outcome, Profile, ProfileChange, Receipt
from schemas.search_records import SearchMode, SearchRequest
from streams.clock import now_ms
from streams.publisher import Outgoing
from streams.topic_reader import topic_ends

ASKERS = 4
HEADLINES = ("Roofer", "Baker", "Welder", "Notary", "Nurse", "Diver", "Tailor", "Pilot", "Glazier", "Farrier")


@dataclass(frozen=True, slots=True)
class Load:
    """Synthetic people that are changed; changes and questions a second; share of the changes that alter the text."""

    profiles: int
    changes: float
    queries: float
    new_text: float


@dataclass(frozen=True, slots=True)
class Answered:
    """One reply: when it came, how long it took in seconds, and by whom."""

    at: float
    took_s: float
    status: str
    model: str
    collection: str
    top_score: float


@dataclass
class Seen:
    """What was observed while it ran."""

    answers: list[Answered] = field(default_factory=list)
    fresh: list[tuple[float, str, float]] = field(default_factory=list)
    sent: int = 0
    ended: threading.Event = field(default_factory=threading.Event)
    failed: list[BaseException] = field(default_factory=list)

    def freshness_ms(self, model: str, begin: float, end: float) -> float:
        """95th percentile of a model's freshness between two moments."""
        taken = [ms for at, whose, ms in self.fresh if whose == model and begin <= at < end]
        return float(np.percentile(taken, 95)) if taken else float("nan")

    def latency_ms(self, begin: float, end: float) -> float:
        """95th percentile of the replies' time between two moments."""
        taken = [one.took_s for one in self.answers if begin <= one.at < end]
        return 1000 * float(np.percentile(taken, 95)) if taken else float("nan")


@contextmanager
def traffic(settings: Settings, load: Load, seen: Seen) -> Iterator[None]:
    """Traffic while the block runs."""
    threads = [
        threading.Thread(target=_kept, args=[seen, work])
        for work in (
            lambda: _send(settings, load, seen),
            lambda: _follow_receipts(settings, seen),
            *([lambda: _ask(settings, load, seen)] * ASKERS),
        )
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        seen.ended.set()
        for thread in threads:
            thread.join(60)


def _kept(seen: Seen, work: Callable[[], None]) -> None:
    try:
        work()
    except BaseException as error:
        seen.failed.append(error)
        raise


def _send(settings: Settings, load: Load, seen: Seen) -> None:
    codec, publisher, topic = wiring.codec(settings), wiring.publisher(settings), wiring.topics(settings).changes
    chance, due = random.Random(7), time.monotonic()
    while not seen.ended.is_set():
        who = f"person-{chance.randrange(load.profiles):07d}"
        if chance.random() < load.new_text:
            headline = f"{chance.choice(HEADLINES)}, {chance.randrange(1000)} jobs done"
            patch, changed = Profile("-", headline=headline), ["headline"]
        else:
            patch, changed = Profile(f"Name {chance.randrange(10**6)}"), ["name"]
        change = ProfileChange(who, time.time_ns() // 1000, now_ms(), Operation.PATCH, "bench", patch, changed)
        value = codec.encode(topic.subject, change)
        publisher.publish([Outgoing(topic.name, who.encode(), value)], Deadline.after(30))
        seen.sent += 1
        due += 1 / load.changes
        seen.ended.wait(max(0.0, due - time.monotonic()))


def _ask(settings: Settings, load: Load, seen: Seen) -> None:
    client, chance = wiring.search_client(settings), random.Random(threading.get_ident())
    questions = [query.text for query in golden_dataset("test").queries]
    due = time.monotonic() + chance.random()
    while not seen.ended.is_set():
        request = SearchRequest(
            chance.choice(questions),
            with_matched_text=False,
            # Its score tells which model answered.
            mode=SearchMode.SEMANTIC,
            requester=f"member-{chance.randrange(1000)}",
            deadline_at=now_ms() + 10_000,
        )
        began = time.monotonic()
        reply = client.ask(request, 15)
        top = reply.hits[0].score if reply.hits else float("nan")
        took = time.monotonic() - began
        seen.answers.append(
            Answered(time.monotonic(), took, reply.status, reply.model or "", reply.collection or "", top)
        )
        due = max(due + ASKERS / load.queries, time.monotonic() - 1)
        seen.ended.wait(max(0.0, due - time.monotonic()))
    client.close()


def _follow_receipts(settings: Settings, seen: Seen) -> None:
    topics, codec = wiring.topics(settings), wiring.codec(settings)
    consumer = Consumer(settings.kafka_client(**{"group.id": "bench", "enable.auto.commit": False}))
    ends = topic_ends(settings.kafka_client(), topics.receipts.name)
    consumer.assign([TopicPartition(topics.receipts.name, number, end) for number, end in ends.items()])
    while not seen.ended.is_set():
        for message in consumer.consume(500, 0.2):
            receipt = codec.decode(message.value() or b"", Receipt)
            if receipt.topic == topics.changes.name and receipt.occurred_at and receipt.outcome is Outcome.INDEXED:
                seen.fresh.append((time.monotonic(), receipt.model, receipt.settled_at - receipt.occurred_at))
    consumer.close()
