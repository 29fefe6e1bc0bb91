"""Waiting until everything is consumed, and auditing it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kith import wiring
from kith.commands.audit import is_exact, opened
from kith.settings import Settings
from schemas.records import Outcome
from streams.groups import committed
from streams.index_check import IndexFindings
from streams.topic_reader import topic_ends
from tests.integration.conftest import Worker
from tests.waiting import wait_until


@dataclass(frozen=True)
class Audited:
    """What an audit found: records by outcome over all partitions, and the index."""

    outcomes: dict[Outcome, int]
    without: int
    changed: int
    repeated: int
    index: IndexFindings
    exact: bool


def waiting(settings: Settings) -> int:
    """Records that the indexer has not committed yet."""
    group, config = wiring.indexer_group(settings), settings.kafka_client()
    left = 0
    for topic in wiring.topics(settings).inputs:
        ends = topic_ends(config, topic.name)
        reached = committed(config, group, topic.name, ends)
        left += sum(end - reached.get(partition, 0) for partition, end in ends.items())
    return left


def wait_settled(settings: Settings, timeout_s: float = 120.0) -> None:
    """Until every record of the inputs is committed."""
    wait_until(lambda: waiting(settings), lambda left: left == 0, timeout_s)


def audited(settings: Settings) -> Audited:
    """Audit now."""
    with opened(settings) as audit:
        records, index = audit.records(), audit.index()
    sums = [s for of_topic in records.values() for s in of_topic]
    return Audited(
        {
            outcome: sum(s.outcomes[outcome] for s in sums)
            for outcome in Outcome
            if any(s.outcomes[outcome] for s in sums)
        },
        sum(s.without for s in sums),
        sum(s.changed for s in sums),
        sum(s.repeated for s in sums),
        index,
        is_exact(records, index),
    )


def counter(worker: Worker, name: str) -> float:
    """A metric of a worker, all its labels together."""
    answer = worker.get("/metrics")
    assert answer is not None
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", answer.text, re.MULTILINE))
