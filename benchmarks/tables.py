"""The indexer's table: what a change costs as it grows, how fast it is read again, and how soon an indexer works.

- growth: a batch of changes reads what is known of its profiles and writes it anew, in tables of 10,000 profiles and
  more, on the store of the indexer (RocksDB), without Kafka.
- restore: so many profiles on the changelog, and an indexer whose state folder is empty; with none for comparison.
- start: from the start of the process to the outcome of a change that waited for it, with the real model; of a group
  that is new, and of one that was there before.

Example: `python -m benchmarks.tables --sizes 10000 100000 --profiles 50000`
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import httpx2
import psutil
from prometheus_client.parser import text_string_to_metric_families
from yarl import URL

from benchmarks import unit_cost_file
from benchmarks.environment import describe
from benchmarks.installation import ROOT, Installation, fresh, kith, say, wait_level
from benchmarks.paced_changes import Receipts, plan, send
from benchmarks.record import keep
from distill.synthetic import synthetic_profiles
from kith import wiring
from kith.deadline import Deadline
from kith.services.ports import LOOPBACK
from kith.settings import Settings
from schemas.codec import Codec
from schemas.records import KnownProfile, Outcome, ProfileState, SettledChange
from streams.publisher import Outgoing
from streams.state_store import SCHEME, StateStore

DISTRIBUTIONS = ("rocksdict", "fastavro", "faust-streaming", "confluent-kafka")
SIZES = (10_000, 100_000, 1_000_000)
BATCH, BATCHES, PARTITIONS = 128, 200, 8
_DRAWN, _PIECE = 2000, 5000
_LEAVE_S, _PUBLISH_S = 60.0, 60.0


def main() -> None:
    """Measure, print, keep, and write what `kith plan` calculates with anew."""
    options = _options()
    print(describe(*DISTRIBUTIONS), flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="kith-tables-") as folder,
        Installation(Path(folder), options.milvus_server, "student-v1") as one,
    ):
        states = _states(wiring.codec(one.settings), wiring.topics(one.settings).state.subject)
        growth = [_growth(Path(folder) / f"table-{size}", states, size) for size in options.sizes]
        restores = [_restore(one, states, count) for count in (0, options.profiles)]
        starts = [_starts(one, number) for number in range(options.rounds)]
    figures = {
        "bytes_of_a_state": round(sum(map(len, states)) / len(states)),
        "growth": growth,
        "restore": restores,
        "start_new_group_s": median(one["new_group_s"] for one in starts),
        "start_known_group_s": median(one["known_group_s"] for one in starts),
        "starts": starts,
    }
    print(keep("tables", figures, DISTRIBUTIONS, lambda axes: _draw(axes, growth)))
    unit_cost_file.write()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="profiles in the table")
    parser.add_argument("--profiles", type=int, default=200_000, help="on the changelog that is read again")
    parser.add_argument("--rounds", type=int, default=3, help="of starts")
    parser.add_argument("--milvus-server", type=Path, default=ROOT / ".milvus-server" / "bin" / "milvus-server")
    return parser.parse_args()


def _states(codec: Codec, subject: str) -> list[bytes]:
    """Entries of the table, as the indexer writes them."""
    settled = [SettledChange(1, Outcome.INDEXED)]
    return [
        codec.encode(subject, ProfileState(known=KnownProfile(1, 1, made.profile, bytes(32), settled)))
        for made in synthetic_profiles(_DRAWN, seed=1)
    ]


def _key(number: int) -> bytes:
    return b"person-%07d" % number


def _pieces(count: int) -> Iterator[range]:
    return (range(first, min(first + _PIECE, count)) for first in range(0, count, _PIECE))


def _growth(folder: Path, states: Sequence[bytes], size: int) -> dict[str, float]:
    """Mean time of a change in a table of so many profiles: read with its batch, written with its batch."""
    table = SimpleNamespace(name="profiles", changelog_topic=SimpleNamespace(topics=["changelog"]))
    store: Any = StateStore(URL(f"{SCHEME}://disk"), SimpleNamespace(conf=SimpleNamespace(tabledir=folder)), table)
    for numbers in _pieces(size):
        for partition in range(PARTITIONS):
            held = {_key(n): states[n % len(states)] for n in numbers if n % PARTITIONS == partition}
            store.put(partition, held, numbers[-1])
    chance, taken = random.Random(size), list[float]()
    for number in range(BATCHES):
        partition = number % PARTITIONS
        keys = [_key(chance.randrange(size // PARTITIONS) * PARTITIONS + partition) for _ in range(BATCH)]
        began = time.perf_counter()
        found = store.fetch(partition, keys)
        store.put(partition, found, size + number)
        taken.append((time.perf_counter() - began) / BATCH)
        if len(found) != len(set(keys)):
            raise RuntimeError(f"{len(found)} of {len(set(keys))} profiles found")
    on_disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    row = {"profiles": size, "us_a_change": round(1e6 * median(taken), 1), "bytes_a_profile": round(on_disk / size)}
    say(f"{row}")
    store.reset_state()
    return row


def _restore(one: Installation, states: Sequence[bytes], count: int) -> dict[str, float]:
    """An indexer with an empty folder, before a changelog of so many profiles."""
    settings = fresh(one.settings, f"restore{count}")
    topic = wiring.topics(settings).state.name
    publisher = wiring.publisher(settings)
    for numbers in _pieces(count):
        publisher.publish(
            [Outgoing(topic, _key(n), states[n % len(states)]) for n in numbers], Deadline.after(_PUBLISH_S)
        )
    process = one.start(settings, "index", "benchmarks.scale_worker")
    took_s = _metric(process, "kith_table_restore_seconds")
    _end(process)
    row = {"profiles": count, "seconds": round(took_s, 2)}
    say(f"restored: {row}")
    return row


def _starts(one: Installation, number: int) -> dict[str, float]:
    """Seconds from the start of a process to the first outcome."""
    settings = fresh(one.settings, f"start{number}")
    kith(settings, "produce", "--synthetic", "1", "--seed", "5")
    new = _first_outcome(one, settings)
    (patch,) = plan(settings, 1, [0.0], 1)
    send(settings, [patch])
    found = {"new_group_s": new, "known_group_s": _first_outcome(one, settings)}
    say(f"started: {found}")
    return found


def _first_outcome(one: Installation, settings: Settings) -> float:
    receipts, began = Receipts(settings), time.time()
    process = one.start(settings, "index")
    wait_level(settings)
    _end(process)
    return round(min(receipt.settled_at for receipt in receipts.every()) / 1000 - began, 2)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(_LEAVE_S)


def _metric(process: subprocess.Popen[bytes], name: str) -> float:
    port = psutil.Process(process.pid).cmdline()[-1]
    return next(_values(httpx2.get(f"http://{LOOPBACK}:{port}/metrics").text, name))


def _values(text: str, name: str) -> Iterator[float]:
    for family in text_string_to_metric_families(text):
        yield from (sample.value for sample in family.samples if sample.name == name)


def _draw(axes: Any, rows: Sequence[Mapping[str, float]]) -> None:
    axes.plot([row["profiles"] for row in rows], [row["us_a_change"] for row in rows], marker="o")
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("profiles in the table")
    axes.set_ylabel("microseconds a change, read and written")


if __name__ == "__main__":
    main()
