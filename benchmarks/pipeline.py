"""Changes a second from Kafka to a Milvus server: kith, its bare embedder, and other ways to do the same job.

Every round produces a backlog of made-up people to fresh topics; each contender works it off into an empty collection
of the same schema, in another order each round. Rows of the index are counted four times a second, the more people the
surer; the rate is that between the first and the last tenth. The bare embedder embeds the same texts with nothing else
to do, a few seconds at a time, in which kith stands still: a machine that gets slower is then as slow for both.
Kafka, registry and Milvus server are started for it.

Example: `python -m benchmarks.pipeline --people 12000 --rivals-people 3000 --rounds 3`
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from pymilvus import MilvusClient

from benchmarks.backlog import Watched, WorkedOff
from benchmarks.environment import describe
from benchmarks.installation import ROOT, Installation, fresh, kith, say
from benchmarks.record import keep
from benchmarks.rivals.contenders import AFTERNOON, FASTER_AFTERNOON, FRAMEWORKS, RIVALS_PYTHON, Contender
from benchmarks.steady import steady
from distill.synthetic import synthetic_profiles
from kith import wiring
from kith.deadline import Deadline
from kith.settings import Settings
from workers.contract import CollectionInfo
from workers.milvus_index import MilvusIndex
from workers.model_collections import create_or_find

KITH, BARE = "kith", "bare embedder"
VERSIONS = ("onnxruntime", "pymilvus", "faust-streaming", "confluent-kafka")
_PIECE = 256
_MOST_S, _SETUP_S, _STOP_S = 400.0, 60.0, 20.0
# Kafka takes a member of a group for dead after ten seconds.
_STILL_S = 4.0


@dataclass
class Measured:
    """Rounds of one contender, or why there are none."""

    rounds: list[WorkedOff] = field(default_factory=list)
    failed: str | None = None

    def per_s(self) -> float:
        """Changes a second, median; NaN without rounds."""
        return median(one.per_s for one in self.rounds) if self.rounds else float("nan")

    def cores(self) -> dict[str, float]:
        """Cores by part, median."""
        names = self.rounds[0].cores if self.rounds else {}
        return {name: median(one.cores[name] for one in self.rounds) for name in names}

    def per_core_s(self) -> float:
        """Changes a second of the consumer's own processor time, median; NaN without rounds."""
        return median(one.per_s / one.cores["consumer"] for one in self.rounds) if self.rounds else float("nan")

    def told(self, of: float) -> dict[str, object]:
        """As it is kept; `of`: the rate that ratios are against."""
        if not self.rounds:
            return {"failed": self.failed}
        rates = [round(one.per_s, 1) for one in self.rounds]
        shares = {name: round(value, 2) for name, value in self.cores().items()}
        return {
            "changes_per_s": round(self.per_s(), 1),
            "changes_per_core_s": round(self.per_core_s(), 1),
            "rounds": rates,
            "of_kith": round(self.per_s() / of, 2),
            "cores": shares,
        }


def main() -> None:
    """Measure, print and keep."""
    options = _options()
    print(describe(*VERSIONS), flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="kith-pipeline-") as folder,
        Installation(Path(folder), options.milvus_server, options.model) as one,
    ):
        if options.steady:
            steady(one, options.steady, options.people, options.rate or 0.8 * _capacity(one, options))
            return
        measured = {name: Measured() for name in (KITH, BARE, *(c.name for c in _contenders(options)))}
        for number in range(options.rounds):
            _round(one, number, options, measured, Path(folder))
    _print(measured)
    keep("pipeline", _figures(options, measured), VERSIONS, lambda axes: _draw(axes, measured))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=6000, help="backlog of a round; with --steady, who is changed")
    parser.add_argument("--rivals-people", type=int, help="others work off so many of it; without, all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--milvus-server", type=Path, default=ROOT / ".milvus-server" / "bin" / "milvus-server")
    parser.add_argument("--model", default="student-v1")
    names = [one.name for one in (AFTERNOON, FASTER_AFTERNOON, *FRAMEWORKS)]
    parser.add_argument("--only", nargs="*", choices=names, help="these beside kith and the bare embedder")
    parser.add_argument("--steady", type=float, metavar="MINUTES", help="instead: a fixed rate for so long")
    parser.add_argument(
        "--rate", type=float, help="with --steady: changes a second; without, 80 %% of one backlog's rate"
    )
    return parser.parse_args()


def _contenders(options: argparse.Namespace) -> list[Contender]:
    every = [AFTERNOON, FASTER_AFTERNOON, *FRAMEWORKS]
    return [one for one in every if options.only is None or one.name in options.only]


def _round(
    one: Installation, number: int, options: argparse.Namespace, measured: dict[str, Measured], folder: Path
) -> None:
    """Everybody once, another one first each time."""
    settings, of_rivals = _fresh(one, f"r{number}", options.people), options.rivals_people or options.people
    steps: dict[str, Callable[[], None]] = {KITH: lambda: _kith_and_bare(one, settings, options.people, measured)}
    for each in _contenders(options):
        steps[each.name] = lambda each=each: _measure(  # type: ignore[misc]
            each.name, lambda: _rival(one, settings, each, of_rivals, folder), measured
        )
    names = list(steps)
    for name in names[number % len(names) :] + names[: number % len(names)]:
        steps[name]()


def _kith_and_bare(one: Installation, settings: Settings, people: int, measured: dict[str, Measured]) -> None:
    bare = _Bare(settings, people)
    _measure(KITH, lambda: _kith(one, settings, people, bare.catch_up), measured)
    _measure(BARE, bare.worked_off, measured)


def _measure(name: str, step: Callable[[], WorkedOff], measured: dict[str, Measured]) -> None:
    try:
        done = step()
    except RuntimeError as error:
        measured[name].failed = str(error)
        say(f"{name}: {error}")
    else:
        measured[name].rounds.append(done)
        say(f"{name}: {done.per_s:.0f}/s")


def _fresh(one: Installation, name: str, people: int) -> Settings:
    """Topics of their own with a backlog."""
    settings = fresh(one.settings, name)
    kith(settings, "produce", "--synthetic", str(people), "--seed", "3")
    return settings


def _kith(
    one: Installation, settings: Settings, people: int, between: Callable[[int], None] | None = None
) -> WorkedOff:
    index = wiring.index(settings)
    collection = wiring.live_collection(settings, index)
    process: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        process.append(one.start(settings, "index"))
        return process[0]

    return _worked_off(Watched(one, index, collection.name, between), people, start)


def _rival(one: Installation, settings: Settings, rival: Contender, people: int, folder: Path) -> WorkedOff:
    if rival.own_environment and not RIVALS_PYTHON.exists():
        raise RuntimeError("its environment is not installed: make .rivals/.stamp")
    index, manifest = wiring.index(settings), wiring.release(settings).manifest
    name = f"{settings.collection_prefix}{rival.module}_{rival.embedder}"
    wanted = CollectionInfo(name, manifest.name, manifest.renderer, manifest.dim)
    create_or_find(index.connection, wanted, Deadline.after(_SETUP_S))
    try:
        return _worked_off(Watched(one, index, name), people, lambda: rival.start(settings, name, folder))
    except RuntimeError as error:
        lines = (folder / f"{rival.module}.log").read_text(errors="replace").strip().splitlines()
        raise RuntimeError(f"{error}: {lines[-1] if lines else 'it said nothing'}") from error


def _worked_off(watched: Watched, people: int, start: Callable[[], subprocess.Popen[bytes]]) -> WorkedOff:
    started: list[subprocess.Popen[bytes]] = []

    def kept() -> subprocess.Popen[bytes]:
        started.append(start())
        return started[0]

    try:
        return watched.until(people, kept, _MOST_S)
    finally:
        for process in started:
            _end(process)
        _drop(watched.index, watched.collection)
        watched.index.close()


def _drop(index: MilvusIndex, collection: str) -> None:
    """So that the next one has the server's memory as this one had it; what is live is live no more."""

    def drop(client: MilvusClient, left: float) -> None:
        for alias in client.list_aliases(collection, timeout=left)["aliases"]:
            client.drop_alias(alias, timeout=left)
        client.drop_collection(collection, timeout=left)

    index.connection.call(f"drop {collection}", _SETUP_S, drop)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(_STOP_S)


class _Bare:
    """The embedder by itself, in pieces as large as a micro-batch, while kith stands still.

    So it meets the same machine; a shared one gets faster or slower by a half within a minute.

    Args:
        people: whose texts it embeds, in the order in which they were produced.
    """

    def __init__(self, settings: Settings, people: int) -> None:
        render = wiring.renderer(settings)
        self._texts = [render(person.profile) for person in synthetic_profiles(people, 3)]
        self._embedder = wiring.embedder(settings)
        self._embedder.embed(self._texts[:_PIECE])
        self._done, self._seconds, self._cpu_s = 0, 0.0, 0.0

    def catch_up(self, rows: int) -> None:
        """Embed the texts of so many rows, less those that it embedded before, for at most `_STILL_S`."""
        began, cpu = time.monotonic(), time.process_time()
        while self._done + _PIECE <= rows and time.monotonic() - began < _STILL_S:
            self._embedder.embed(self._texts[self._done : self._done + _PIECE])
            self._done += _PIECE
        self._seconds += time.monotonic() - began
        self._cpu_s += time.process_time() - cpu

    def worked_off(self) -> WorkedOff:
        """What it did in all of kith's standstills."""
        return WorkedOff(self._done / self._seconds, {"consumer": self._cpu_s / self._seconds})


def _capacity(one: Installation, options: argparse.Namespace) -> float:
    found = _kith(one, _fresh(one, "before", options.people), options.people).per_s
    say(f"a backlog of {options.people:,}: {found:.0f}/s")
    return found


def _efficiency(measured: dict[str, Measured]) -> dict[str, float]:
    """What kith does of its bare embedder's rate, median of the rounds: by the clock, and by each one's processor time.

    NaN where a round of either failed: the others would not be of one moment.
    By the clock the bare embedder also has the cores that broker, Milvus and registry take from kith.
    """
    if not measured[KITH].rounds or len(measured[KITH].rounds) != len(measured[BARE].rounds):
        return {"by_clock": float("nan"), "by_processor_time": float("nan")}
    pairs = list(zip(measured[KITH].rounds, measured[BARE].rounds, strict=True))
    by_clock = [ours.per_s / bare.per_s for ours, bare in pairs]
    by_cores = [
        ratio * bare.cores["consumer"] / ours.cores["consumer"]
        for ratio, (ours, bare) in zip(by_clock, pairs, strict=True)
    ]
    return {"by_clock": round(median(by_clock), 3), "by_processor_time": round(median(by_cores), 3)}


def _figures(options: argparse.Namespace, measured: dict[str, Measured]) -> dict[str, object]:
    of = measured[KITH].per_s()
    return {
        "people": options.people,
        "people_of_rivals": options.rivals_people or options.people,
        "efficiency_of_kith": _efficiency(measured),
        "contenders": {name: one.told(of) for name, one in measured.items()},
    }


def _print(measured: dict[str, Measured]) -> None:
    of, parts = measured[KITH].per_s(), ("consumer", "Milvus", "broker", "registry")
    threads = ("first thread", "two busiest others", "other threads")
    heads = "".join(f"{name:>10}" for name in parts) + "".join(f"{name:>20}" for name in threads)
    print(f"{'':26}{'changes/s':>10}{'of kith':>9}{'a core s':>10}{heads}")
    for name, one in measured.items():
        if not one.rounds:
            print(f"{name:26}{'-':>10}  {one.failed}")
            continue
        shares = one.cores()
        told = "".join(f"{shares.get(part, float('nan')):10.2f}" for part in parts)
        inside = "".join(f"{shares.get(thread, float('nan')):20.2f}" for thread in threads)
        print(f"{name:26}{one.per_s():10.0f}{one.per_s() / of:9.2f}{one.per_core_s():10.0f}{told}{inside}")
    found = _efficiency(measured)
    print(f"efficiency beside the bare embedder, median of the rounds: {found['by_clock']:.0%} by the clock,", end=" ")
    print(f"{found['by_processor_time']:.0%} by the processor time that each one had", flush=True)


def _draw(axes: Any, measured: dict[str, Measured]) -> None:
    shown = {name: one.per_s() for name, one in measured.items() if one.rounds}
    axes.barh(list(shown), list(shown.values()))
    axes.invert_yaxis()
    axes.set_xlabel("changes a second, Kafka to Milvus")


if __name__ == "__main__":
    main()
