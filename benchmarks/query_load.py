"""Questions over the bus at a rate or from so many askers, and how each was answered."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from kith.services.process import pause
from schemas.search_records import ReplyStatus, SearchReply, SearchRequest
from workers.search_client import SearchClient

TIMEOUT_S = 10.0
_JOBS = ("nurse", "roofer", "judge", "pilot", "tailor", "diver", "baker", "notary", "welder", "farrier")
_WISHES = ("who can help with", "somebody who knows about", "I look for", "who works with", "an expert in")
_THINGS = (
    "old houses",
    "sick children",
    "bridges",
    "contracts",
    "bread",
    "horses",
    "taxes",
    "music",
    "engines",
    "gardens",
)


def questions(seed: int) -> list[str]:
    """Five thousand questions, no two alike within a seed: none is answered from what was kept."""
    chance = random.Random(seed)
    every = [f"{w} {t}, like a {j} in year {n}" for w in _WISHES for t in _THINGS for j in _JOBS for n in range(10)]
    chance.shuffle(every)
    return [f"{question} {seed}" for question in every]


@dataclass(frozen=True, slots=True)
class Answer:
    """When a request was sent and its reply came (monotonic seconds), and what it was."""

    sent_at: float
    came_at: float
    status: str
    degraded: bool

    @property
    def took_ms(self) -> float:
        """From sent to answered."""
        return 1000 * (self.came_at - self.sent_at)


@dataclass
class Answers:
    """What came of the requests of one measurement."""

    every: list[Answer] = field(default_factory=list)

    def took_ms(self, percent: float, status: str = ReplyStatus.OK) -> float:
        """Percentile of the time of replies with a status."""
        taken = [one.took_ms for one in self.every if one.status == status]
        return float(np.percentile(taken, percent)) if taken else float("nan")

    def statuses(self) -> dict[str, int]:
        """How many replies had each status."""
        return dict(Counter(one.status for one in self.every))

    def ok(self) -> int:
        """How many were answered."""
        return self.statuses().get(ReplyStatus.OK, 0)


def at_rate(client: SearchClient, asked: Sequence[str], rate: float, for_s: float) -> Answers:
    """Ask at a rate, whatever comes back (open loop)."""
    answers, futures = Answers(), list[Future[SearchReply]]()
    began = time.monotonic()
    for number in range(int(rate * for_s)):
        pause(max(0.0, began + number / rate - time.monotonic()))
        futures.append(_submitted(client, asked[number % len(asked)], answers))
    for future in futures:
        future.exception()
    return answers


def from_askers(client: SearchClient, asked: Sequence[str], askers: int, for_s: float) -> Answers:
    """So many ask, each after its last reply (closed loop)."""
    answers, until = Answers(), time.monotonic() + for_s

    def ask(first: int) -> None:
        number = first
        while time.monotonic() < until:
            _submitted(client, asked[number % len(asked)], answers).exception()
            number += askers

    threads = [threading.Thread(target=ask, args=[number]) for number in range(askers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def _submitted(client: SearchClient, question: str, answers: Answers) -> Future[SearchReply]:
    sent_at = time.monotonic()
    future = client.submit(SearchRequest(question), TIMEOUT_S)
    future.add_done_callback(partial(_note, answers, sent_at))
    return future


def _note(answers: Answers, sent_at: float, future: Future[SearchReply]) -> None:
    if future.exception() is not None:
        answers.every.append(Answer(sent_at, time.monotonic(), "no reply", degraded=False))
        return
    reply = future.result()
    answers.every.append(Answer(sent_at, time.monotonic(), reply.status.value, bool(reply.degraded)))
