"""A whole rollout under live traffic, on a Milvus server: fill, shadow, ramp, promotion, and back.

Kafka, registry and a Milvus server are started for it (`make test-milvus` installs the server). Freshness is read from
the receipts of the live model's indexer: event time to acknowledged by the index.

Example: `python -m benchmarks.rollout --profiles 50000`
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.environment import describe
from benchmarks.installation import ROOT, Installation, kith, say, wait_level
from benchmarks.live_traffic import Load, Seen, traffic
from kith.services.process import pause
from schemas.search_records import ReplyStatus
from workers.model_collections import collection_name

STEPS = (
    ("shadow 10 %", ("shadow", "10")),
    ("ramp 1 %", ("ramp",)),
    ("ramp 5 %", ("ramp",)),
    ("ramp 25 %", ("ramp",)),
    ("ramp 50 %", ("ramp",)),
    ("ramp 100 %", ("ramp",)),
    ("promoted", ("promote",)),
    ("rolled back", ("rollback",)),
)


BEFORE_S = 90.0


@dataclass
class Rolled:
    """When each stage began and ended (monotonic seconds), and what the switches of the alias took, milliseconds."""

    stages: list[tuple[str, float, float]] = field(default_factory=list)
    switches_ms: list[int] = field(default_factory=list)

    def stage(self, name: str, began: float) -> None:
        """A stage that ends now."""
        self.stages.append((name, began, time.monotonic()))


def main() -> None:
    """Measure and print."""
    options = _options()
    print(describe("onnxruntime", "pymilvus", "faust-streaming", "confluent-kafka"), flush=True)
    load, seen = Load(options.profiles, options.changes, options.queries, options.new_text), Seen()
    with (
        tempfile.TemporaryDirectory(prefix="kith-rollout-") as folder,
        Installation(Path(folder), options.milvus_server, options.baseline) as one,
    ):
        for verb in ("index", "serve"):
            one.start(one.settings, verb)
        began = time.monotonic()
        kith(one.settings, "produce", "--synthetic", str(options.profiles), "--seed", "3")
        wait_level(one.settings)
        took = time.monotonic() - began
        rate = options.profiles / took
        say(f"{options.profiles:,} people indexed with {options.baseline} in {took:.0f} s ({rate:.0f}/s)")
        with traffic(one.settings, load, seen):
            rolled = _roll(one, options)
        _print(one, options, seen, rolled)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profiles", type=int, default=50_000)
    parser.add_argument("--milvus-server", type=Path, default=ROOT / ".milvus-server" / "bin" / "milvus-server")
    parser.add_argument("--baseline", default="student-v0")
    parser.add_argument("--candidate", default="student-v1")
    parser.add_argument("--changes", type=float, default=50.0, help="live changes a second")
    parser.add_argument("--queries", type=float, default=10.0, help="questions a second")
    parser.add_argument("--new-text", type=float, default=0.5, help="share of the changes that alter the text")
    parser.add_argument("--stage-s", type=float, default=30.0, help="seconds that each stage is watched")
    return parser.parse_args()


def _roll(one: Installation, options: argparse.Namespace) -> Rolled:
    rolled = Rolled()
    began = time.monotonic()
    # The rollout looks a minute back for how fresh live changes are: the first indexing must lie further back.
    pause(BEFORE_S)
    rolled.stage("before", began)
    began = time.monotonic()
    say(kith(one.settings, "rollout", "start", options.candidate).splitlines()[0])
    rolled.stage("filling", began)
    began, own = time.monotonic(), one.of_release(options.candidate)
    one.start(own, "index")
    wait_level(own, at_most=50)
    rolled.stage("catching up", began)
    for name, step in STEPS:
        began, said = time.monotonic(), kith(one.settings, "rollout", *step)
        say(said.splitlines()[-1])
        if took := re.search(r"took (\d+) ms", said):
            rolled.switches_ms.append(int(took.group(1)))
        pause(options.stage_s)
        rolled.stage(name, began)
    return rolled


def _print(one: Installation, options: argparse.Namespace, seen: Seen, rolled: Rolled) -> None:
    if seen.failed:
        raise seen.failed[0]
    print(f"{'stage':12} {'s':>5} {'answers':>8} {'by candidate':>13} {'latency p95 ms':>15} {'freshness p95 ms':>17}")
    for name, begin, end in rolled.stages:
        answers = [answer for answer in seen.answers if begin <= answer.at < end]
        print(
            f"{name:12} {end - begin:5.0f} {len(answers):8} {sum(a.model == options.candidate for a in answers):13} "
            f"{seen.latency_ms(begin, end):15.0f} {seen.freshness_ms(options.baseline, begin, end):17.0f}"
        )
    _print_answers(options, seen)
    print(f"switches of the alias: {rolled.switches_ms} ms")
    for name, value in json.loads(kith(one.settings, "rollout", "status", "--json"))["rollout"]["figures"].items():
        print(f"{name.replace('_', ' ')}: {value:.3f}")
    for model in (options.baseline, options.candidate):
        wait_level(one.of_release(model))
        found = json.loads(kith(one.of_release(model), "audit", "--json"))
        wrong, without = len(found["index"]["wrong"]), sum(sums["without"] for sums in found["records"])
        print(
            f"audit of {model}: exact {found['exact']}, profiles right {found['index']['right']:,}, wrong {wrong}, "
            f"records {sum(s['end'] - s['first'] for s in found['records']):,}, without an outcome {without}"
        )
    (_before, begin, end), *later = rolled.stages[:3]
    before = seen.freshness_ms(options.baseline, begin, end)
    for name, begin, end in later:
        times = seen.freshness_ms(options.baseline, begin, end) / before
        print(f"live freshness p95 while {name}: {times:.2f} times what it was before")


def _print_answers(options: argparse.Namespace, seen: Seen) -> None:
    answered = [one for one in seen.answers if one.status == ReplyStatus.OK]
    mixed = sum(one.collection != collection_name(one.model) for one in answered)
    least = {
        model: round(min((one.top_score for one in answered if one.model == model), default=float("nan")), 3)
        for model in (options.baseline, options.candidate)
    }
    print(
        f"changes sent {seen.sent:,}; answers {len(seen.answers):,}, failed {len(seen.answers) - len(answered)}, "
        f"mixed {mixed}; by model {dict(Counter(one.model for one in answered))}; least first score {least}"
    )


if __name__ == "__main__":
    main()
