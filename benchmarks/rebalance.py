"""How long partitions stand still when an indexer comes, leaves, or is killed, under steady traffic.

Two indexers with a simulated embedder share the partitions, and changes come evenly. A third one comes; one ends by
SIGTERM; one is killed with -9. Read are the receipts: for each partition the longest time within which records waited
and none had its outcome. Kafka, registry and a Milvus server are started for it.

Example: `python -m benchmarks.rebalance --rounds 1`
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import unit_cost_file
from benchmarks.environment import describe
from benchmarks.installation import ROOT, Installation, kith, say, wait_level
from benchmarks.paced_changes import plan, send
from benchmarks.partition_gaps import Told, longest_stalls, summary
from benchmarks.record import keep
from benchmarks.scale_worker import MS_PER_TEXT
from kith import wiring
from kith.services.process import pause
from kith.settings import Settings
from schemas.records import Receipt
from streams.topic_reader import read_topic

DISTRIBUTIONS = ("faust-streaming", "confluent-kafka")
BATCH, PEOPLE = 16, 400
# Half of what two indexers can do: what a stall leaves behind is worked off before the next step.
RATE = 1000 / MS_PER_TEXT
QUIET_S, STEP_S = 15.0, 30.0
# The end of a step is not looked at: a stall of the next one begins where the last record before it was settled.
_APART_S = 5.0
_LEAVE_S = 60.0


def main() -> None:
    """Measure, print, keep, and write what `kith plan` calculates with anew."""
    options = _options()
    print(describe(*DISTRIBUTIONS), flush=True)
    found: dict[str, list[dict[str, float]]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="kith-rebalance-") as folder,
        Installation(Path(folder), options.milvus_server, "student-v1") as one,
    ):
        settings = one.settings.model_copy(update={"batch_max_records": BATCH})
        kith(settings, "produce", "--synthetic", str(PEOPLE), "--seed", "3")
        workers = [_worker(one, settings) for _ in range(2)]
        wait_level(settings)
        for number in range(options.rounds):
            for name, stalls in _round(one, settings, workers, number):
                found.setdefault(name, []).append(summary(stalls))
                say(f"{name}: {summary(stalls)}")
    figures = _figures(found)
    print(keep("rebalance", figures, DISTRIBUTIONS, lambda axes: _draw(axes, figures["steps"])))
    unit_cost_file.write()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--milvus-server", type=Path, default=ROOT / ".milvus-server" / "bin" / "milvus-server")
    return parser.parse_args()


def _worker(one: Installation, settings: Settings) -> subprocess.Popen[bytes]:
    return one.start(settings, "index", "benchmarks.scale_worker")


def _round(
    one: Installation, settings: Settings, workers: list[subprocess.Popen[bytes]], number: int
) -> Iterator[tuple[str, Mapping[int, int]]]:
    """Each step in turn; two workers run before and after it."""
    steps: dict[str, Callable[[], None]] = {
        "nothing happens": lambda: None,
        "one comes": lambda: workers.append(_worker(one, settings)),
        "one leaves": lambda: _end(workers.pop(0), signal.SIGTERM),
        "one is killed": lambda: _end(workers.pop(0), signal.SIGKILL),
    }
    count = int(RATE * sum((QUIET_S, *(STEP_S for _ in steps))) * 1.5)
    planned = plan(settings, PEOPLE, [place / RATE for place in range(count)], 1000 + number)
    ended = threading.Event()
    sender = threading.Thread(target=send, args=[settings, planned], kwargs={"ended": ended})
    sender.start()
    pause(max(0.0, planned[0].due_ms / 1000 - time.time()) + QUIET_S)
    moments = {name: _step(step) for name, step in steps.items()}
    ended.set()
    sender.join()
    workers.append(_worker(one, settings))
    wait_level(settings)
    told = _told(settings)
    for name, (begin, end) in moments.items():
        yield name, longest_stalls(told, begin, end)


def _step(step: Callable[[], None]) -> tuple[int, int]:
    """Begin and end of what is looked at, milliseconds since the epoch; by then its stall has long been worked off."""
    began = time.time()
    step()
    pause(max(0.0, began + STEP_S - time.time()))
    return int(1000 * began), int(1000 * (time.time() - _APART_S))


def _end(worker: subprocess.Popen[bytes], by: signal.Signals) -> None:
    worker.send_signal(by)
    worker.wait(_LEAVE_S)


def _told(settings: Settings) -> list[Told]:
    codec, found = wiring.codec(settings), []
    for stored in read_topic(settings.kafka_client(), wiring.topics(settings).receipts.name):
        receipt = codec.decode(stored.value or b"", Receipt)
        found.append(Told(receipt.partition, receipt.occurred_at or receipt.settled_at, receipt.settled_at))
    codec.close()
    return found


def _figures(found: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, Any]:
    return {
        "changes_per_s": RATE,
        "ms_per_text": MS_PER_TEXT,
        "steps": {
            name: {
                "longest_stall_of_a_partition_s": max(one["longest_s"] for one in some),
                "median_of_rounds_s": median(one["longest_s"] for one in some),
                "rounds": list(some),
            }
            for name, some in found.items()
        },
    }


def _draw(axes: Any, steps: Mapping[str, Mapping[str, Any]]) -> None:
    axes.barh(list(steps), [step["longest_stall_of_a_partition_s"] for step in steps.values()])
    axes.set_xlabel("longest stall of a partition, seconds")
    axes.invert_yaxis()


if __name__ == "__main__":
    main()
