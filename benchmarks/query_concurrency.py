"""Latency and throughput of searches over the bus against how many ask at a time, beside an idle and a busy indexer.

So many askers put their next question when they have the answer to the last (closed loop), through one client. No
question comes twice, so that none is answered from a kept vector. One query consumer with default settings: under load
it leaves matched texts out ("lighter"), and refuses what it could not begin in time ("refused"); both are counted, and
latencies are those of answers. Passes with an idle indexer and with one that works on a steady stream of changes take
turns. Every change has a new text; they come at random moments (Poisson) at a share of the rate at which a backlog was
worked off in the same run.

Kafka, registry and a Milvus server are started for it (`make test-milvus` installs the server).

Example: `python -m benchmarks.query_concurrency --askers 1 16 64 --rounds 1`
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.environment import describe
from benchmarks.installation import ROOT, Installation, kith, say, wait_level
from benchmarks.other_processes import Others
from benchmarks.paced_changes import Receipts, Settled, middle_rate, percentiles, plan, poisson, send
from benchmarks.query_load import Answers, at_rate, from_askers, questions
from benchmarks.record import keep
from kith import wiring
from kith.services.process import pause
from schemas.search_records import ReplyStatus
from workers.search_client import SearchClient

DISTRIBUTIONS = ("onnxruntime", "pymilvus", "faust-streaming", "confluent-kafka")
ASKERS = (1, 2, 4, 8, 16, 32, 64, 128)
BESIDE = ("idle", "indexing")
LATENCIES = ("p50_ms", "p95_ms", "p99_ms", "most_ms")
WARM_S, FLOW_S = 5.0, 3.0


@dataclass
class Asked:
    """What came of so many askers in all rounds; of each round answers a second, and cores that others took."""

    answers: Answers = field(default_factory=Answers)
    rates: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)
    seconds: float = 0.0


Table = dict[tuple[str, int], Asked]


def main() -> None:
    """Measure, print and keep."""
    options = _options()
    print(describe(*DISTRIBUTIONS), flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="kith-concurrency-") as folder,
        Installation(Path(folder), options.milvus_server, options.model) as one,
    ):
        one.start(one.settings, "index")
        kith(one.settings, "produce", "--synthetic", str(options.profiles), "--seed", "3")
        wait_level(one.settings)
        say(f"{options.profiles:,} people indexed")
        capacity = _capacity(one, options)
        one.start(one.settings, "serve")
        client = wiring.search_client(one.settings)
        try:
            table, late = _passes(one, client, options, options.load / 100 * capacity)
        finally:
            client.close()
    rows = [row(beside, askers, asked) for (beside, askers), asked in table.items()]
    figures = {
        "profiles": options.profiles,
        "seconds_a_level_and_round": options.seconds,
        "rounds": options.rounds,
        "indexer_capacity_per_s": round(capacity, 1),
        "changes_offered_per_s": round(options.load / 100 * capacity, 1),
        "changes_sent_late_p99_ms": percentiles(late)["p99_ms"] if late else None,
        "rows": rows,
    }
    _print(rows)
    if late:
        print(f"99 % of the changes were handed over at most {figures['changes_sent_late_p99_ms']:.0f} ms late")
    print(keep("query_concurrency", figures, DISTRIBUTIONS, lambda axes: _draw(axes, rows)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profiles", type=int, default=5000)
    parser.add_argument("--milvus-server", type=Path, default=ROOT / ".milvus-server" / "bin" / "milvus-server")
    parser.add_argument("--model", default="student-v1")
    parser.add_argument("--askers", type=int, nargs="+", default=list(ASKERS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each number of askers in each pass")
    parser.add_argument("--load", type=float, default=50.0, help="changes meanwhile, percent of the indexer's capacity")
    parser.add_argument("--backlog", type=int, default=2000, help="changes of the backlog that capacity is read from")
    return parser.parse_args()


def _capacity(one: Installation, options: argparse.Namespace) -> float:
    planned = plan(one.settings, options.profiles, [0.0] * options.backlog, 1)
    receipts, others = Receipts(one.settings), Others()
    send(one.settings, planned)
    wait_level(one.settings)
    cores = others.cores()
    rate = middle_rate(receipts.every())
    say(f"the indexer works off a backlog at {rate:.0f} changes/s; others took {cores} cores meanwhile")
    return rate


def _passes(
    one: Installation, client: SearchClient, options: argparse.Namespace, rate: float
) -> tuple[Table, list[float]]:
    """What came of each number of askers, and how much later than planned each change was sent, milliseconds."""
    table: Table = {(beside, askers): Asked() for beside in BESIDE for askers in options.askers}
    late: list[float] = []
    # The first questions of a consumer find no sentence's vector kept.
    at_rate(client, questions(0), 20.0, WARM_S)
    for number in range(options.rounds):
        for place, beside in enumerate(BESIDE):
            seeds, receipts = random.Random(2 * number + place), Receipts(one.settings)
            with _changes(one, options, rate if beside == "indexing" else 0.0, 10 + number, late):
                windows = [
                    _level(client, table[beside, askers], askers, options.seconds, seeds.randrange(10**9))
                    for askers in options.askers
                ]
            settled = receipts.every()
            for askers, (begin, end) in zip(options.askers, windows, strict=True):
                table[beside, askers].settled += [each for each in settled if begin <= each.settled_at < end]
            say(f"round {number + 1} of {options.rounds}, {beside}: {_rates(table, beside)} answers/s")
    return table, late


def _level(client: SearchClient, asked: Asked, askers: int, for_s: float, seed: int) -> tuple[float, float]:
    """Ask from so many, and note what came of it; when it began and ended, milliseconds since the epoch."""
    others, began, began_ms = Others(), time.monotonic(), 1000 * time.time()
    answers = from_askers(client, questions(seed), askers, for_s)
    seconds = time.monotonic() - began
    asked.answers.every += answers.every
    asked.rates.append(answers.ok() / seconds)
    asked.seconds += seconds
    asked.others.append(others.cores())
    return began_ms, began_ms + 1000 * seconds


@contextmanager
def _changes(
    one: Installation, options: argparse.Namespace, rate: float, seed: int, late: list[float]
) -> Iterator[None]:
    """Changes at that rate while the block runs; the indexer is level before and after it."""
    if not rate:
        yield
        return
    # Last answers may come late: more is planned than is sent.
    for_s = 2 * FLOW_S + 2 * options.seconds * len(options.askers)
    planned = plan(one.settings, options.profiles, list(poisson(rate, for_s, random.Random(seed))), seed)
    ended = threading.Event()
    with ThreadPoolExecutor(1, "changes") as sender:
        sent = sender.submit(send, one.settings, planned, ended=ended)
        try:
            pause(max(0.0, planned[0].due_ms / 1000 - time.time()) + FLOW_S)
            yield
        finally:
            ended.set()
        late += sent.result()
    wait_level(one.settings)


def _rates(table: Table, beside: str) -> str:
    return ", ".join(f"{askers}: {asked.rates[-1]:.0f}" for (which, askers), asked in table.items() if which == beside)


def row(beside: str, askers: int, asked: Asked) -> dict[str, Any]:
    """Figures of so many askers; latencies are None where nobody was answered."""
    answers = asked.answers
    ok = [one for one in answers.every if one.status == ReplyStatus.OK]
    return {
        "indexer": beside,
        "askers": askers,
        "answers_per_s": round(median(asked.rates), 1),
        "least_per_s": round(min(asked.rates), 1),
        "most_per_s": round(max(asked.rates), 1),
        **(percentiles([one.took_ms for one in ok]) if ok else dict.fromkeys(LATENCIES) | {"count": 0}),
        "others_cores": round(sum(asked.others) / len(asked.others), 2),
        "lighter": sum(one.degraded for one in ok),
        "refused": answers.statuses().get(ReplyStatus.OVERLOADED, 0),
        "failed": len(answers.every) - len(ok) - answers.statuses().get(ReplyStatus.OVERLOADED, 0),
        "changes_settled_per_s": round(len(asked.settled) / asked.seconds, 1),
        "change_p95_ms": percentiles([one.took_ms for one in asked.settled])["p95_ms"] if asked.settled else None,
    }


def _print(rows: Sequence[Mapping[str, Any]]) -> None:
    print(
        f"{'indexer':8} {'askers':>6} {'answers/s':>9} {'(range)':>15} {'p50':>6} {'p95':>6} {'p99':>6} {'(ms)':4} "
        f"{'answers':>8} {'lighter':>8} {'refused':>8} {'failed':>6} {'changes/s':>9} {'change p95 ms':>13} "
        f"{'others':>6}"
    )
    for row in rows:
        spread = f"({row['least_per_s']:.1f}-{row['most_per_s']:.1f})"
        p50, p95, p99, fresh = (_ms(row[name]) for name in (*LATENCIES[:3], "change_p95_ms"))
        print(
            f"{row['indexer']:8} {row['askers']:6} {row['answers_per_s']:9.1f} {spread:>15} {p50:>6} {p95:>6} {p99:>6} "
            f"{'':4} {row['count']:8,} {row['lighter']:8,} {row['refused']:8,} {row['failed']:6} "
            f"{row['changes_settled_per_s']:9.1f} {fresh:>13} {row['others_cores']:6.2f}"
        )


def _ms(taken: float | None) -> str:
    """Nothing where nobody was answered, or nothing settled."""
    return "" if taken is None else f"{taken:.0f}"


def _draw(axes: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Latency over askers, idle in full lines and indexing dashed; throughput in grey on an axis of its own."""
    beside_it = axes.twinx()
    for indexer, style in zip(BESIDE, ("o-", "s--"), strict=True):
        mine = [row for row in rows if row["indexer"] == indexer]
        askers = [row["askers"] for row in mine]
        for name, colour in (("p50_ms", "tab:blue"), ("p95_ms", "tab:orange"), ("p99_ms", "tab:red")):
            label = f"{name.removesuffix('_ms')}, {indexer}"
            axes.plot(askers, [row[name] for row in mine], style, color=colour, label=label, markersize=4)
        beside_it.plot(askers, [row["answers_per_s"] for row in mine], style, color="tab:gray", markersize=3)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(askers, [str(number) for number in askers])
    axes.set_xlabel("askers at a time")
    axes.set_ylabel("an answer takes, ms")
    beside_it.set_ylabel("answers a second (grey)")
    beside_it.set_ylim(bottom=0)
    beside_it.grid(visible=False)
    axes.set_title("Searches over the bus, beside an idle indexer and one that works")
    axes.legend(fontsize=8, loc="upper left")


if __name__ == "__main__":
    main()
