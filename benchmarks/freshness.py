"""How late a change is found, against how many come: from a tenth of the capacity to more than it.

The capacity is measured first: backlogs of changes, worked off at full speed. Then changes come at random moments
(Poisson), at a share of that rate, planned and encoded beforehand: the sender does not wait for the system. On a
machine whose speed changes, `--anew` reads the capacity from a backlog again right before each load. Beside every
backlog and load stands what the model embedded by itself right before it ("alone"): what is slower by as much as that
is slower for the machine's sake.

Freshness is measured in two ways, both from the event's time (`occurred_at`, the planned moment, so that a late sender
counts):
- searched: to the end of the first search of the index that shows the change. A sample of the changes, about
  `--sampled` a second, is searched for, with a vector and the ids, at the default consistency, one search after the
  other with a pause between. It includes that pause and that search, and leaves out the bus.
- receipts: to acknowledged by the index, of every change, as `kith_freshness_seconds` has it. It leaves out what a
  Milvus server takes until searches show what it acknowledged.

Kafka, registry and a Milvus server are started for it (`make test-milvus` installs the server).

Example: `python -m benchmarks.freshness --loads 10 50 100 --seconds 20`
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.environment import describe
from benchmarks.index_seeker import Seeker
from benchmarks.installation import ROOT, Installation, kith, say, wait_level
from benchmarks.model_alone import ModelAlone
from benchmarks.other_processes import Others
from benchmarks.paced_changes import Planned, Receipts, middle_rate, percentiles, plan, poisson, send
from benchmarks.record import keep

DISTRIBUTIONS = ("onnxruntime", "pymilvus", "faust-streaming", "confluent-kafka")
LOADS = (10.0, 25.0, 50.0, 75.0, 90.0, 100.0, 120.0)
BACKLOGS = 3
# Left out at the beginning of a step: the queue begins empty.
WARM_S = 3.0
SEEK_PAUSE_S = 0.05
_FOUND_S = 300.0


def main() -> None:
    """Measure, print and keep."""
    options = _options()
    print(describe(*DISTRIBUTIONS), flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="kith-freshness-") as folder,
        Installation(Path(folder), options.milvus_server, options.model) as one,
    ):
        one.start(one.settings, "index")
        kith(one.settings, "produce", "--synthetic", str(options.profiles), "--seed", "3")
        wait_level(one.settings)
        say(f"{options.profiles:,} people indexed")
        figures = _measure(one, options, ModelAlone(one.settings))
    print(keep("freshness", figures, DISTRIBUTIONS, lambda axes: _draw(axes, figures["steps"])))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profiles", type=int, default=4000)
    parser.add_argument("--milvus-server", type=Path, default=ROOT / ".milvus-server" / "bin" / "milvus-server")
    parser.add_argument("--model", default="student-v1")
    parser.add_argument("--loads", type=float, nargs="+", default=list(LOADS), help="percent of the capacity")
    parser.add_argument("--seconds", type=float, default=25.0, help="that changes come at each load")
    parser.add_argument("--backlog", type=int, default=3000, help="changes of a backlog that the capacity is read from")
    parser.add_argument("--anew", action="store_true", help="measure the capacity again before each load")
    parser.add_argument("--sampled", type=float, default=20.0, help="changes a second that are searched for")
    return parser.parse_args()


def _measure(one: Installation, options: argparse.Namespace, alone: ModelAlone) -> dict[str, Any]:
    backlogs = [_backlog(one, options, alone, seed) for seed in range(1, BACKLOGS + 1)]
    capacity = median(backlog["changes_per_s"] for backlog in backlogs)
    say(f"capacity: {capacity:.0f} changes/s")
    print(HEADER, flush=True)
    steps: list[dict[str, Any]] = []
    for load in options.loads:
        now = _backlog(one, options, alone, _seed(steps))["changes_per_s"] if options.anew else capacity
        texts_per_s = alone.texts_per_s()
        steps.append(_step(one, options, load, load / 100 * now) | {"capacity_per_s": now, "alone_per_s": texts_per_s})
        print(_line(steps[-1]), flush=True)
    after = _backlog(one, options, alone, _seed(steps))
    return {
        "profiles": options.profiles,
        "seconds_a_load": options.seconds,
        "capacity_per_s": capacity,
        "backlogs": backlogs,
        "backlog_after": after,
        "steps": steps,
    }


def _seed(steps: Sequence[object]) -> int:
    """Of a backlog after the first ones: another one each time."""
    return BACKLOGS + 1 + len(steps)


def _backlog(one: Installation, options: argparse.Namespace, alone: ModelAlone, seed: int) -> dict[str, float]:
    """The rate of a backlog that is all due at once; what the sampled ones of a step are searched by runs beside it."""
    texts_per_s = alone.texts_per_s()
    planned = plan(one.settings, options.profiles, [0.0] * options.backlog, seed)
    receipts, others = Receipts(one.settings), Others()
    with Seeker(one.settings, SEEK_PAUSE_S) as seeker:
        send(one.settings, planned, _every(seeker, max(1, options.backlog // 64)))
        _found_all(seeker)
        wait_level(one.settings)
    cores = others.cores()
    rate = round(middle_rate(receipts.every()), 1)
    say(
        f"a backlog of {options.backlog:,}: {rate:.0f} changes/s; the model alone {texts_per_s:.0f} texts/s before it; "
        f"others took {cores} cores meanwhile"
    )
    return {"changes_per_s": rate, "others_cores": cores, "alone_per_s": texts_per_s}


def _step(one: Installation, options: argparse.Namespace, load: float, rate: float) -> dict[str, Any]:
    seed = 100 + int(10 * load)
    planned = plan(one.settings, options.profiles, list(poisson(rate, options.seconds, random.Random(seed))), seed)
    others = Others()
    receipts, began_ms, ended_ms = Receipts(one.settings), planned[0].due_ms, planned[-1].due_ms
    with Seeker(one.settings, SEEK_PAUSE_S) as seeker:
        late = send(one.settings, planned, _every(seeker, max(1, round(rate / options.sampled))))
        _found_all(seeker)
        wait_level(one.settings)
    cores = others.cores()
    settled, warm_ms = receipts.every(), began_ms + 1000 * min(WARM_S, options.seconds / 4)
    if len(settled) != len(planned):
        raise RuntimeError(f"{len(planned)} changes have {len(settled)} receipts")
    return {
        "load_percent": load,
        "offered_per_s": round(1000 * len(planned) / (ended_ms - began_ms), 1),
        "settled_per_s": round(1000 * sum(s.settled_at <= ended_ms for s in settled) / (ended_ms - began_ms), 1),
        "left_at_the_end": sum(s.settled_at > ended_ms for s in settled),
        "sent_late_p99_ms": percentiles(late)["p99_ms"],
        "others_cores": cores,
        "search_p50_ms": percentiles(seeker.searches_ms)["p50_ms"],
        "searched": percentiles([found.took_ms for found in seeker.found if found.due_ms >= warm_ms]),
        "receipts": percentiles([s.took_ms for s in settled if s.occurred_at >= warm_ms]),
    }


def _every(seeker: Seeker, nth: int) -> Any:
    """Has the seeker watch every nth change."""
    count = 0

    def before(one: Planned) -> None:
        nonlocal count
        if count % nth == 0:
            seeker.watch(one)
        count += 1

    return before


def _found_all(seeker: Seeker) -> None:
    if missing := seeker.wait(_FOUND_S):
        raise RuntimeError(f"{missing} changes were not found in {_FOUND_S:.0f} s")


HEADER = (
    f"{'load':>6} {'offered/s':>9} {'settled/s':>9} {'left':>5} {'late p99':>8} "
    f"{'search p50':>10} {'others':>6} {'alone':>6}  "
    f"{'searched: n':>11} {'p50':>7} {'p95':>7} {'p99':>7}  "
    f"{'receipts: n':>11} {'p50':>7} {'p95':>7} {'p99':>7}  ms"
)


def _line(row: Mapping[str, Any]) -> str:
    told = "  ".join(
        f"{row[way]['count']:11,} " + " ".join(f"{row[way][name]:7.0f}" for name in ("p50_ms", "p95_ms", "p99_ms"))
        for way in ("searched", "receipts")
    )
    return (
        f"{row['load_percent']:5.0f}% {row['offered_per_s']:9.1f} {row['settled_per_s']:9.1f} "
        f"{row['left_at_the_end']:5} {row['sent_late_p99_ms']:8.1f} {row['search_p50_ms']:10.1f} "
        f"{row['others_cores']:6.2f} {row['alone_per_s']:6.0f}  {told}"
    )


def _draw(axes: Any, steps: Sequence[Mapping[str, Any]]) -> None:
    """Freshness over load: searched in full lines, receipts dashed."""
    loads = [step["load_percent"] for step in steps]
    for way, style in (("searched", "o-"), ("receipts", "s--")):
        for name, colour in (("p50_ms", "tab:blue"), ("p95_ms", "tab:orange"), ("p99_ms", "tab:red")):
            label = f"{name.removesuffix('_ms')}, {way}"
            axes.plot(loads, [step[way][name] for step in steps], style, color=colour, label=label, markersize=4)
    axes.set_yscale("log")
    axes.set_xlabel("offered changes, % of the capacity")
    axes.set_ylabel("from the event, ms")
    axes.set_title("Freshness over load")
    axes.legend(fontsize=8)


if __name__ == "__main__":
    main()
