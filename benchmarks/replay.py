"""What is known is not embedded again: backfills of which more and more is known, and an index made again from the log.

Everybody is indexed first. Then a file of everybody is replayed by `kith backfill run` into the live index, again and
again: in each file some have a text that the index holds already (their name and version are new, so that the row is
written), the others a new one. At the end the collection is dropped and filled by `kith rebuild --fresh`, while the
indexer runs.

Records a second are those of the middle 80 % of the receipts, in the order of their outcome. The whole of a backfill
is from the start of the command until the indexer has settled everything, the start of Python included. Embedded is
what the indexer counted (`kith_embedded_total`). "alone" is what the model embedded by itself right before, for a
machine's speed is not steady.

Kafka, registry and a Milvus server are started for it (`make test-milvus` installs the server).

Example: `python -m benchmarks.replay --people 2000 --rounds 1`
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import httpx2
import psutil

from benchmarks.environment import describe
from benchmarks.installation import ROOT, Installation, kith, say, wait_level
from benchmarks.live_traffic import HEADLINES
from benchmarks.model_alone import ModelAlone
from benchmarks.other_processes import Others
from benchmarks.paced_changes import Receipts, middle_rate
from benchmarks.record import keep
from distill.synthetic import synthetic_profiles
from kith import wiring
from kith.deadline import Deadline
from kith.services.ports import LOOPBACK
from kith.services.process import pause
from kith.settings import Settings
from schemas.records import Outcome, Profile
from streams.sources.jsonl import write_line
from workers.model_collections import LIVE_ALIAS, alias_target

DISTRIBUTIONS = ("onnxruntime", "pymilvus", "faust-streaming", "confluent-kafka")
SHARES = (0.0, 30.0, 90.0)
_LOOK_S, _ALIAS_S = 0.02, 10.0


def main() -> None:
    """Measure, print and keep."""
    options = _options()
    print(describe(*DISTRIBUTIONS), flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="kith-replay-") as folder,
        Installation(Path(folder), options.milvus_server, options.model) as one,
    ):
        indexer = one.start(one.settings, "index")
        people = {made.profile_id: made.profile for made in synthetic_profiles(options.people, seed=3)}
        first = _first_load(one.settings, people, Path(folder))
        rounds = _backfills(one, indexer, options, people, Path(folder))
        rows = [row_of(share, [taken[share] for taken in rounds], rounds) for share in options.shares]
        rebuilds = [_rebuilt(one.settings, indexer) for _ in range(options.rounds)]
    _print(first, rows, rebuilds)
    figures = {
        "people": options.people,
        "rounds": options.rounds,
        "first_load_per_s": first,
        "backfills": rows,
        "rebuilds": rebuilds,
    }
    print(keep("replay", figures, DISTRIBUTIONS, lambda axes: _draw(axes, first, rows, rebuilds)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=6000)
    parser.add_argument("--milvus-server", type=Path, default=ROOT / ".milvus-server" / "bin" / "milvus-server")
    parser.add_argument("--model", default="student-v1")
    parser.add_argument("--shares", type=float, nargs="+", default=list(SHARES), help="percent with a known text")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def _first_load(settings: Settings, people: Mapping[str, Profile], folder: Path) -> float:
    """Everybody onto the change stream, as fast as it goes; changes a second."""
    file, receipts = folder / "first.jsonl", Receipts(settings)
    file.write_bytes(b"".join(write_line(who, profile) for who, profile in people.items()))
    kith(settings, "produce", str(file))
    wait_level(settings)
    rate = round(middle_rate(receipts.every()), 1)
    say(f"{len(people):,} people indexed from the change stream, {rate:.0f}/s")
    return rate


def _backfills(
    one: Installation,
    indexer: subprocess.Popen[bytes],
    options: argparse.Namespace,
    people: dict[str, Profile],
    folder: Path,
) -> list[dict[float, dict[str, Any]]]:
    rounds, alone = [], ModelAlone(one.settings)
    for number in range(options.rounds):
        taken = {}
        for share in options.shares:
            file = folder / f"people-{number}-{share:g}.jsonl"
            file.write_bytes(b"".join(lines(people, share, f"round {number + 1}, {share:g} %")))
            texts_per_s = alone.texts_per_s()
            taken[share] = _backfilled(one.settings, indexer, file) | {"alone_per_s": texts_per_s}
            say(f"round {number + 1} of {options.rounds}, {share:g} % known: {json.dumps(taken[share])}")
        rounds.append(taken)
    return rounds


def lines(people: dict[str, Profile], share: float, what: str) -> Sequence[bytes]:
    """A line for everybody, as they are then; so many percent of them, evenly, keep their text."""
    version = int(1e6 * time.time())
    made = []
    for number, (who, profile) in enumerate(people.items()):
        now = replace(profile, name=f"Name in {what}")
        if int((number + 1) * share / 100) == int(number * share / 100):
            now = replace(now, headline=f"{HEADLINES[number % len(HEADLINES)]}, {what}")
        people[who] = now
        made.append(write_line(who, now).replace(b"{", b'{"version": %d, ' % version, 1))
    return made


def _backfilled(settings: Settings, indexer: subprocess.Popen[bytes], file: Path) -> dict[str, Any]:
    others, receipts = Others(), Receipts(settings, bulk=True)
    embedded, began = _embedded(indexer), time.monotonic()
    kith(settings, "backfill", "run", "--from", str(file), "--json")
    wait_level(settings)
    whole_s, cores = time.monotonic() - began, others.cores()
    settled = receipts.every()
    return {
        "records": len(settled),
        "indexed": sum(each.outcome is Outcome.INDEXED for each in settled),
        "unchanged": sum(each.outcome is Outcome.UNCHANGED for each in settled),
        "embedded": _embedded(indexer) - embedded,
        "records_per_s": round(middle_rate(settled), 1),
        "whole_s": round(whole_s, 1),
        "others_cores": cores,
    }


def _embedded(indexer: subprocess.Popen[bytes]) -> int:
    """Texts that an indexer has embedded since it began, as it says itself."""
    words = psutil.Process(indexer.pid).cmdline()
    port = words[words.index("--health-port") + 1]
    told = httpx2.get(f"http://{LOOPBACK}:{port}/metrics", timeout=5.0).text
    return int(sum(float(value) for value in re.findall(r"^kith_embedded_total\S* (\S+)", told, re.MULTILINE)))


def row_of(
    share: float, taken: Sequence[Mapping[str, Any]], rounds: Sequence[Mapping[float, Mapping[str, Any]]]
) -> dict[str, Any]:
    """Medians over the rounds; the ratio is to the first share, round by round."""
    rates = [one["records_per_s"] for one in taken]
    firsts = [next(iter(one.values()))["records_per_s"] for one in rounds]
    return {
        "known_percent": share,
        "records_per_s": median(rates),
        "least_per_s": min(rates),
        "most_per_s": max(rates),
        "times_the_first": round(median(rate / first for rate, first in zip(rates, firsts, strict=True)), 2),
        **{
            name: median(one[name] for one in taken)
            for name in ("records", "embedded", "unchanged", "whole_s", "others_cores", "alone_per_s")
        },
    }


def _rebuilt(settings: Settings, indexer: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Drop the collection and fill it again; what the command said, and how long nothing was live meanwhile."""
    others, embedded, began = Others(), _embedded(indexer), time.monotonic()
    printed, hidden_s = _while_hidden(settings)
    said = json.loads(printed)
    taken = {
        "written": said["written"],
        "records_per_s": round(said["written"] / said["seconds"], 1),
        "written_s": round(said["seconds"], 1),
        "not_searchable_s": round(hidden_s, 1),
        "whole_s": round(time.monotonic() - began, 1),
        "others_cores": others.cores(),
        "embedded": _embedded(indexer) - embedded,
        "right": said["right"],
        "wrong": said["wrong"],
        "live": said["live"],
    }
    say(f"rebuilt: {json.dumps(taken)}")
    return taken


def _while_hidden(settings: Settings) -> tuple[str, float]:
    """What `kith rebuild --fresh` prints, and for how many seconds the live alias was away."""
    index, alias = wiring.index(settings), settings.collection_prefix + LIVE_ALIAS
    looks: list[float] = []
    with ThreadPoolExecutor(1, "rebuild") as runner:
        rebuild = runner.submit(kith, settings, "rebuild", "--fresh", "--yes", "--json")
        while not rebuild.done():
            if alias_target(index.connection, alias, Deadline.after(_ALIAS_S)) is None:
                looks.append(time.monotonic())
            pause(_LOOK_S)
        printed = rebuild.result()
    index.close()
    return printed, looks[-1] - looks[0]


def _print(first: float, rows: Sequence[Mapping[str, Any]], rebuilds: Sequence[Mapping[str, Any]]) -> None:
    print(f"first load over the change stream: {first:.0f} records/s")
    print(
        f"{'known':>6} {'records/s':>9} {'(range)':>15} {'times':>6} {'embedded':>9} {'of':>8} {'whole s':>8} "
        f"{'others':>6} {'alone':>6}"
    )
    for row in rows:
        spread = f"({row['least_per_s']:.0f}-{row['most_per_s']:.0f})"
        print(
            f"{row['known_percent']:5.0f}% {row['records_per_s']:9.0f} {spread:>15} {row['times_the_first']:6.2f} "
            f"{row['embedded']:9,.0f} {row['records']:8,.0f} {row['whole_s']:8.1f} {row['others_cores']:6.2f} "
            f"{row['alone_per_s']:6.0f}"
        )
    middle = {name: median(one[name] for one in rebuilds) for name in ("records_per_s", "not_searchable_s", "whole_s")}
    print(
        f"rebuild: {middle['records_per_s']:.0f} records/s, not searchable for {middle['not_searchable_s']:.1f} s, "
        f"the command {middle['whole_s']:.1f} s; embedded {sum(one['embedded'] for one in rebuilds)}, "
        f"wrong {sum(one['wrong'] for one in rebuilds)}"
    )


def _draw(axes: Any, first: float, rows: Sequence[Mapping[str, Any]], rebuilds: Sequence[Mapping[str, Any]]) -> None:
    """Bars of records a second, with the range over the rounds."""
    rates = [one["records_per_s"] for one in rebuilds]
    bars = [
        ("first load", first, first, first),
        *(
            (
                f"backfill, {row['known_percent']:.0f} % known",
                row["records_per_s"],
                row["least_per_s"],
                row["most_per_s"],
            )
            for row in rows
        ),
        ("rebuild", median(rates), min(rates), max(rates)),
    ]
    names, middles, least, most = zip(*bars, strict=True)
    below = [middle - low for middle, low in zip(middles, least, strict=True)]
    above = [high - middle for middle, high in zip(middles, most, strict=True)]
    drawn = axes.bar(names, middles, yerr=[below, above], capsize=4)
    axes.bar_label(drawn, [f"{middle:.0f}" for middle in middles], padding=3)
    axes.margins(y=0.12)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_ylabel("records a second")
    axes.set_title("What is known is not embedded again")


if __name__ == "__main__":
    main()
