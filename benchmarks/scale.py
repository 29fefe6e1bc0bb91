"""Changes a second of 1, 2 and 4 indexers in one consumer group, where embedding is a sleep of fixed length.

Two cores cannot show that four models are four times as fast; they can show whether whatever else indexers do, from
Kafka to Milvus, keeps them from it. Each number of indexers works off a backlog of its own, another one first each
round. Read are the receipts: the middle of each backlog, by when its changes had their outcomes. Kafka, registry and a
Milvus server are started for it.

Example: `python -m benchmarks.scale --rounds 1 --workers 1 4`
"""

from __future__ import annotations

import argparse
import signal
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.environment import describe
from benchmarks.installation import ROOT, Installation, fresh, kith, say, wait_level
from benchmarks.paced_changes import Receipts
from benchmarks.record import keep
from benchmarks.scale_worker import MS_PER_TEXT
from kith.services.process import pause

DISTRIBUTIONS = ("faust-streaming", "pymilvus", "confluent-kafka")
WORKERS = (1, 2, 4)
# Small batches: the work of four workers is read to a hundred changes.
BATCH = 32
# Before, the backlog is still being written; after, some partitions are empty and others are not.
BEGIN, END = 0.2, 0.7
# The last one that came makes all of them share out the partitions anew.
_SETTLE_S = 8.0
_LEAVE_S = 60.0


def main() -> None:
    """Measure, print, keep."""
    options = _options()
    print(describe(*DISTRIBUTIONS), flush=True)
    rounds: dict[int, list[dict[str, float]]] = {count: [] for count in options.workers}
    with (
        tempfile.TemporaryDirectory(prefix="kith-scale-") as folder,
        Installation(Path(folder), options.milvus_server, "student-v1") as one,
    ):
        for number in range(options.rounds):
            turn = number % len(options.workers)
            for count in [*options.workers[turn:], *options.workers[:turn]]:
                rounds[count].append(_worked_off(one, f"s{number}w{count}", count, options.changes * count))
                say(f"{count} workers: {rounds[count][-1]}")
    figures = _figures(rounds)
    for line in figures["workers"]:
        print(line, flush=True)
    print(keep("scale", figures, DISTRIBUTIONS, lambda axes: _draw(axes, figures["workers"])))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=list(WORKERS))
    parser.add_argument("--changes", type=int, default=1200, help="a worker")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--milvus-server", type=Path, default=ROOT / ".milvus-server" / "bin" / "milvus-server")
    return parser.parse_args()


def _worked_off(one: Installation, name: str, workers: int, changes: int) -> dict[str, float]:
    """A backlog that comes to so many workers; they leave when it is done."""
    settings = fresh(one.settings, name).model_copy(update={"batch_max_records": BATCH})
    receipts = Receipts(settings)
    started = [one.start(settings, "index", "benchmarks.scale_worker") for _ in range(workers)]
    pause(_SETTLE_S)
    kith(settings, "produce", "--synthetic", str(changes), "--seed", "5")
    psutil.cpu_percent()
    wait_level(settings)
    busy = psutil.cpu_percent() / 100 * (psutil.cpu_count() or 1)
    for process in started:
        process.send_signal(signal.SIGTERM)
    for process in started:
        process.wait(_LEAVE_S)
    settled = [receipt.settled_at for receipt in receipts.every()]
    first, last = int(BEGIN * len(settled)), int(END * len(settled))
    rate = 1000 * (last - first) / (settled[last] - settled[first])
    return {"changes_per_s": round(rate, 1), "cores_busy": round(busy, 2)}


def _figures(rounds: Mapping[int, Sequence[Mapping[str, float]]]) -> dict[str, Any]:
    rates = {count: median(one["changes_per_s"] for one in some) for count, some in rounds.items()}
    least = min(rates)
    return {
        "ms_per_text": MS_PER_TEXT,
        "workers": [
            {
                "workers": count,
                "changes_per_s": rates[count],
                "rounds": [one["changes_per_s"] for one in rounds[count]],
                "times_one": round(rates[count] / rates[least] * least, 2),
                "of_what_the_sleep_allows": round(rates[count] * MS_PER_TEXT / 1000 / count, 2),
                "cores_busy": median(one["cores_busy"] for one in rounds[count]),
            }
            for count in rates
        ],
    }


def _draw(axes: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    counts = [row["workers"] for row in rows]
    axes.plot(counts, [row["changes_per_s"] for row in rows], marker="o", label="measured")
    axes.plot(counts, [1000 / MS_PER_TEXT * count for count in counts], linestyle="--", label="what the sleep allows")
    axes.set_xlabel("indexers in one consumer group")
    axes.set_ylabel("changes a second")
    axes.set_xticks(counts)
    axes.set_ylim(bottom=0)
    axes.legend()


if __name__ == "__main__":
    main()
