"""Memory of an indexer over a million events of every kind.

People are told of once. Then come, of the same people: fields alone, records again, late ones, new texts, deletions and
what cannot be read. They wait in Kafka before the indexer comes to them, so that it works without a pause. Its resident
memory is sampled against the events that it settled. Kafka, registry and a Milvus server are started for it.

Example: `python -m benchmarks.endurance --events 100000`
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import psutil

from benchmarks.environment import describe
from benchmarks.installation import ROOT, Installation, say
from benchmarks.record import keep
from benchmarks.trend import trend
from distill.synthetic import synthetic_profiles
from kith import wiring
from kith.deadline import Deadline
from kith.services.process import pause
from kith.settings import Settings
from schemas.codec import Codec
from schemas.records import Operation, Profile, ProfileChange
from schemas.topics import Topic
from streams.clock import now_ms
from streams.groups import committed
from streams.publisher import Outgoing
from streams.topic_reader import topic_ends

VERSIONS = ("faust-streaming", "rocksdict", "onnxruntime", "pymilvus", "confluent-kafka")
# Of a hundred events after everybody is known; the rest is fields alone.
AGAIN, LATE, NEW_TEXT, GONE, GARBAGE = 70, 10, 1, 1, 1
EVERY_S, _AHEAD, _PUBLISH_S = 10.0, 50_000, 120.0
# Caches fill at first: this share of the events is left out of the trend.
WARM_UP = 0.2
LEAST_SAMPLES = 3


def main() -> None:
    """Measure, print and keep."""
    options = _options()
    print(describe(*VERSIONS), flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="kith-endurance-") as folder,
        Installation(Path(folder), options.milvus_server, "student-v1") as one,
    ):
        process = psutil.Process(one.start(one.settings, "index").pid)
        samples = _sample(one.settings, process, options.events, options.people)
    warm = [(settled, rss) for settled, rss, _at in samples if settled >= WARM_UP * options.events]
    if len(warm) < LEAST_SAMPLES:
        raise SystemExit(f"{len(warm)} samples after the warm-up show no trend: give more --events.")
    found = trend([settled for settled, _rss in warm], [rss for _settled, rss in warm])
    took_s = samples[-1][2]
    print(
        f"{options.events:,} events in {took_s:.0f} s ({options.events / took_s:.0f}/s): resident memory "
        f"{warm[0][1]:.0f} MiB after {warm[0][0]:,}, {warm[-1][1]:.0f} at the end; the line through it changes by "
        f"{found.change:+.1f} (error {found.error:.1f}) of {found.mean:.0f}: {'flat' if found.flat else 'NOT FLAT'}"
    )
    figures = {
        "events": options.events,
        "people": options.people,
        "seconds": round(took_s, 1),
        "rss_mib": asdict(found) | {"flat": found.flat},
        "samples": [{"settled": settled, "rss_mib": round(rss, 1)} for settled, rss, _at in samples],
    }
    keep("endurance", figures, VERSIONS, lambda axes: _draw(axes, samples))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--milvus-server", type=Path, default=ROOT / ".milvus-server" / "bin" / "milvus-server")
    return parser.parse_args()


def _sample(settings: Settings, process: psutil.Process, events: int, people: int) -> list[tuple[int, float, float]]:
    """Events settled, MiB of resident memory, seconds; sent is as much as keeps the indexer busy."""
    codec, publisher = wiring.codec(settings), wiring.publisher(settings)
    coming, sent, settled = every(codec, wiring.topics(settings).changes, events, people), 0, 0
    samples, began = list[tuple[int, float, float]](), time.monotonic()
    while settled < events:
        settled = _settled(settings)
        samples.append((settled, process.memory_info().rss / 2**20, time.monotonic() - began))
        say(f"settled {settled:,} of {events:,}, {samples[-1][1]:.0f} MiB, {settled / samples[-1][2]:.0f}/s")
        more = list(islice(coming, max(0, settled + _AHEAD - sent)))
        publisher.publish(more, Deadline.after(_PUBLISH_S))
        sent += len(more)
        pause(EVERY_S)
    return samples


def _settled(settings: Settings) -> int:
    topic = wiring.topics(settings).changes.name
    ends = topic_ends(settings.kafka_client(), topic)
    return sum(committed(settings.kafka_client(), wiring.indexer_group(settings), topic, ends).values())


def every(codec: Codec, topic: Topic, events: int, people: int) -> Iterator[Outgoing]:
    """So many events, everybody first; the same ones for the same numbers but for their moments.

    Args:
        codec: encodes changes for `topic`.
    """
    chance = random.Random(people)
    newest = [
        ProfileChange(one.profile_id, 1, now_ms(), Operation.UPSERT, "bench", one.profile)
        for one in synthetic_profiles(people, 3)
    ]
    for number in range(events):
        if number < people:
            yield _record(codec, topic, newest[number])
            continue
        who, lot = chance.randrange(people), chance.randrange(100)
        held = newest[who]
        if lot < GARBAGE:
            yield Outgoing(topic.name, held.profile_id.encode(), b"\x00garbage %d" % number)
        elif lot < GARBAGE + GONE:
            yield Outgoing(topic.name, held.profile_id.encode(), None)
        elif lot < GARBAGE + GONE + AGAIN:
            yield _record(codec, topic, held)
        elif lot < GARBAGE + GONE + AGAIN + LATE:
            yield _record(codec, topic, replace(held, version=held.version - 1))
        else:
            newest[who] = _next(held, number, new_text=lot < GARBAGE + GONE + AGAIN + LATE + NEW_TEXT)
            yield _record(codec, topic, newest[who])


def _next(held: ProfileChange, number: int, *, new_text: bool) -> ProfileChange:
    profile = replace(held.profile or Profile("-"), name=f"Name {number}")
    if new_text:
        profile = replace(profile, headline=f"Works on bridge number {number}")
    return replace(held, version=held.version + 1, occurred_at=now_ms(), profile=profile)


def _record(codec: Codec, topic: Topic, change: ProfileChange) -> Outgoing:
    return Outgoing(topic.name, change.profile_id.encode(), codec.encode(topic.subject, change))


def _draw(axes: Any, samples: list[tuple[int, float, float]]) -> None:
    axes.plot([settled / 1000 for settled, _rss, _at in samples], [rss for _settled, rss, _at in samples])
    axes.set_xlabel("thousand events settled")
    axes.set_ylabel("resident memory, MiB")
    axes.set_ylim(bottom=0)


if __name__ == "__main__":
    main()
