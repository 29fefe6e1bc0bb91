"""The query service: what the bus costs, what micro-batches give, and what overload does.

Kafka, registry and a Milvus server are started for it (`make test-milvus` installs the server).

Example: `python -m benchmarks.query --profiles 5000`
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

from benchmarks.environment import describe
from benchmarks.installation import ROOT, Installation, kith, say, wait_level
from benchmarks.query_load import Answers, at_rate, from_askers, questions
from kith import wiring, wiring_rollout
from kith.services.process import pause
from schemas.search_records import ReplyStatus, SearchRequest
from workers.kept_vectors import KeptVectors
from workers.matched_text import Passages
from workers.retrieval import Arm, Retrieval
from workers.search_client import SearchClient

ROUNDS, ASKERS = 3, 64
LOW_RATE, LOW_S, SATURATED_S = 5.0, 20.0, 15.0
NORMAL, OVERLOAD, OVERLOAD_S, AFTER_S = 0.5, 3.0, 60.0, 20.0
BATCH_WAIT_MS = 5
RAMP_FROM, RAMP_STEP, RAMP_S, RAMP_WANTING = 20.0, 1.3, 10.0, 0.01


def main() -> None:
    """Measure and print."""
    options = _options()
    print(describe("onnxruntime", "pymilvus", "confluent-kafka"), flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="kith-query-") as folder,
        Installation(Path(folder), options.milvus_server, options.model) as one,
    ):
        one.start(one.settings, "index")
        kith(one.settings, "produce", "--synthetic", str(options.profiles), "--seed", "3")
        wait_level(one.settings)
        say(f"{options.profiles:,} people indexed")
        for name in options.only or STEPS:
            STEPS[name](one)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profiles", type=int, default=5000)
    parser.add_argument("--milvus-server", type=Path, default=ROOT / ".milvus-server" / "bin" / "milvus-server")
    parser.add_argument("--model", default="student-v1")
    parser.add_argument("--only", nargs="+", choices=list(STEPS), help="instead of all")
    return parser.parse_args()


@contextmanager
def _serving(one: Installation, **given: object) -> Iterator[tuple[SearchClient, subprocess.Popen[bytes]]]:
    """A query consumer with such settings, and a client; both ended after it."""
    settings = one.settings.model_copy(update=given)
    process = one.start(settings, "serve")
    client = wiring.search_client(settings)
    try:
        at_rate(client, questions(0), 20.0, 3.0)
        yield client, process
    finally:
        client.close()
        process.terminate()
        process.wait(30)


def _bus(one: Installation) -> None:
    """The same questions over the bus and by a direct call, in turns."""
    held = wiring.index(one.settings)
    arm = wiring_rollout.arm(one.settings, held, one.settings.model_dir.name)
    # As the consumer has it, whose sentences keep their vectors.
    direct = Retrieval(held, 10.0, passages=Passages(KeptVectors(one.settings.query_passage_cache, "passage")))
    took: dict[str, list[float]] = {"bus": [], "direct": []}
    with _serving(one, query_cache=0) as (client, _process):
        for number, question in enumerate(questions(1)[:400]):
            way = ("bus", "direct")[number % 2]
            began = time.monotonic()
            _asked(client, question) if way == "bus" else _called(direct, arm, question)
            took[way].append(1000 * (time.monotonic() - began))
            pause(0.05)
    held.close()
    p50 = {way: float(np.median(ms)) for way, ms in took.items()}
    print(
        f"one question at a time, p50: over the bus {p50['bus']:.1f} ms, by a direct call {p50['direct']:.1f} ms; "
        f"the bus adds {p50['bus'] - p50['direct']:.1f} ms",
        flush=True,
    )


def _asked(client: SearchClient, question: str) -> None:
    if client.ask(SearchRequest(question), 10).status is not ReplyStatus.OK:
        raise RuntimeError(question)


def _called(direct: Retrieval, arm: Arm, question: str) -> None:
    (reply,) = direct.answer(arm, [SearchRequest(question)])
    if reply.status is not ReplyStatus.OK:
        raise RuntimeError(reply.error)


def _batches(one: Installation) -> None:
    """Saturated with micro-batches and without, in turns; and at a low rate with a wait for more and without."""
    patient: dict[str, object] = {"query_cache": 0, "query_max_wait_ms": 60_000, "query_passages_ms": 60_000}
    ways: dict[str, dict[str, object]] = {
        "one by one": patient | {"query_max_batch": 1},
        "micro-batches": dict(patient),
        f"waiting {BATCH_WAIT_MS} ms": patient | {"query_batch_wait_ms": BATCH_WAIT_MS},
    }
    rates: dict[str, list[float]] = {way: [] for way in ways}
    low: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(ROUNDS):
        for way, given in ways.items():
            with _serving(one, **given) as (client, _process):
                low[way].append(at_rate(client, questions(10 + turn), LOW_RATE, LOW_S).took_ms(50))
                rates[way].append(from_askers(client, questions(20 + turn), ASKERS, SATURATED_S).ok() / SATURATED_S)
    for way in ways:
        print(
            f"{way:16} {ASKERS} askers: {np.median(rates[way]):6.1f} answers/s "
            f"({min(rates[way]):.1f}-{max(rates[way]):.1f}); {LOW_RATE:g}/s: p50 {np.median(low[way]):.1f} ms",
            flush=True,
        )
    alone, together = np.median(rates["one by one"]), np.median(rates["micro-batches"])
    print(f"micro-batches over one by one: {together / alone:.2f}x", flush=True)


def _overload(one: Installation) -> None:
    """Half the capacity, three times the capacity, half of it again."""
    with _serving(one, query_cache=0) as (client, process):
        capacity = _capacity(client)
        normal = at_rate(client, questions(31), NORMAL * capacity, AFTER_S)
        memory, ended = list[float](), threading.Event()
        watch = threading.Thread(target=_watch_memory, args=[process.pid, memory, ended])
        watch.start()
        over = at_rate(client, questions(32), OVERLOAD * capacity, OVERLOAD_S)
        ended_at = time.monotonic()
        after = at_rate(client, questions(33), NORMAL * capacity, AFTER_S)
        ended.set()
        watch.join()
    rows = {"half of it": normal, "three times it": over, "half of it again": after}
    for name, answers in rows.items():
        print(
            f"{name:16} answered {answers.ok():6,}: "
            f"p50 {answers.took_ms(50):.0f} ms, p99 {answers.took_ms(99):.0f} ms; "
            f"{answers.statuses()}; lighter {sum(a.degraded for a in answers.every):,}; "
            f"told overloaded after p99 {answers.took_ms(99, ReplyStatus.OVERLOADED):.0f} ms"
        )
    ratio, recovered = over.took_ms(99) / normal.took_ms(99), _recovered(after, ended_at, 1.5 * normal.took_ms(99))
    print(f"p99 under overload over normal: {ratio:.2f}")
    print(f"memory of the consumer meanwhile: {memory[0]:.0f} MiB first, {max(memory):.0f} most, {memory[-1]:.0f} last")
    print(f"as before {recovered:.1f} s after the overload")


def _capacity(client: SearchClient) -> float:
    """The highest rate, of those tried, at which nearly every answer is whole and nobody is refused; requests a second.

    A client that asks at a rate takes processor time too, so it is a capacity beside its clients.
    """
    rate = RAMP_FROM
    while True:
        answers = at_rate(client, questions(int(rate)), rate * RAMP_STEP, RAMP_S)
        wanting = sum(one.status != ReplyStatus.OK or one.degraded for one in answers.every) / len(answers.every)
        print(
            f"at {rate * RAMP_STEP:4.0f}/s: p50 {answers.took_ms(50):.0f} ms, p99 {answers.took_ms(99):.0f} ms, "
            f"refused or lighter {wanting:.1%}",
            flush=True,
        )
        if wanting > RAMP_WANTING:
            print(f"capacity of one consumer: {rate:.0f} answers/s", flush=True)
            return rate
        rate *= RAMP_STEP


def _recovered(after: Answers, ended_at: float, usual_ms: float) -> float:
    """Seconds until the last answer that was not as usual."""
    odd = [one for one in after.every if one.status != ReplyStatus.OK or one.took_ms > usual_ms]
    # One in a hundred is slower than the p99 at any time.
    late = sorted(one.came_at - ended_at for one in odd)[: max(0, len(odd) - len(after.every) // 100)]
    return late[-1] if late else 0.0


STEPS = {"bus": _bus, "batches": _batches, "overload": _overload}


def _watch_memory(pid: int, into: list[float], ended: threading.Event) -> None:
    process = psutil.Process(pid)
    while not ended.wait(1.0):
        into.append(process.memory_info().rss / 2**20)


if __name__ == "__main__":
    main()
