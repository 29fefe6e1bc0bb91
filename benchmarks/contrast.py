"""The same thousand events through kith and four other consumers, with a kill -9 in the middle: what each gets wrong.

Index and dead letters of each are held against what the log says (`benchmarks/contrast_truth.py`). The others are in
`benchmarks/rivals`; three have the semantics of a known sink, in Python. Exit code 1 if kith gets anything wrong.

Example: `python -m benchmarks.contrast --seed 1`
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pymilvus import MilvusClient

from benchmarks.contrast_script import COUNTS, Event, script
from benchmarks.contrast_truth import Findings, Held, Place, compare, truth
from benchmarks.environment import describe
from benchmarks.installation import ROOT, Installation, fresh, say
from benchmarks.record import keep
from benchmarks.rivals.contenders import AFTERNOON, Contender, group
from kith import wiring
from kith.deadline import Deadline
from kith.services.process import pause
from kith.settings import Settings
from schemas.records import DeadLetter, ProfileChange
from streams.groups import committed
from streams.publisher import Outgoing
from streams.topic_reader import read_topic, topic_ends
from workers.contract import CollectionInfo
from workers.milvus_index import MilvusIndex
from workers.milvus_rows import ID_FIELD, TEXT_FIELD, VERSION_FIELD
from workers.model_collections import create_or_find

KITH = "kith"
OTHERS = (
    AFTERNOON,
    Contender("as kafka-connect-milvus", "connector"),
    Contender("a call a row", "one_row"),
    Contender("Faust's take", "faust_take"),
)
# Sent before anybody starts; the others while nobody runs. The kill comes when the index holds so many rows, or so many
# records are committed of which nothing came into it.
FIRST_HALF, KILL_ROWS, KILL_RECORDS = 600, 150, 300
VERSIONS = ("onnxruntime", "pymilvus", "faust-streaming", "confluent-kafka")
# What a supervisor does for a process that ends by itself.
RESTARTS = 3
_SETUP_S, _LEVEL_S, _STOP_S, _READ_S = 60.0, 180.0, 20.0, 30.0
_MOST_ROWS = 16_384
_LOGGED = re.compile(r"bad record (\d+):(\d+)")
_SUMS = ("lost", "stale", "duplicated", "resurrected", "let_in", "swallowed")

Start = Callable[[], "subprocess.Popen[bytes]"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the events with one consumer.

    Attributes:
        done_at_kill: records that were committed when it was killed.
        ended: why it did not get to the end of the log; None when it did.
    """

    findings: Findings
    done_at_kill: int
    ended: str | None


@dataclass(frozen=True, slots=True)
class Setting:
    """Where one consumer works: topics and collection of its own."""

    settings: Settings
    group: str
    collection: str
    index: MilvusIndex


def main() -> None:
    """Run, print as Markdown, and keep; exits with 1 if kith gets anything wrong."""
    options = _options()
    print(describe(*VERSIONS), flush=True)
    chosen = [one for one in OTHERS if options.only is None or one.name in options.only]
    with (
        tempfile.TemporaryDirectory(prefix="kith-contrast-") as folder,
        Installation(Path(folder), options.milvus_server, options.model) as one,
    ):
        found = {KITH: _kith(one, options.seed)}
        say(f"{KITH}: {found[KITH]}")
        for other in chosen:
            found[other.name] = _other(one, other, options.seed, Path(folder))
            say(f"{other.name}: {found[other.name]}")
    print(markdown(found))
    keep("contrast", {"seed": options.seed, "consumers": {k: asdict(v) for k, v in found.items()}}, VERSIONS)
    if not found[KITH].findings.none or found[KITH].ended:
        sys.exit(1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--milvus-server", type=Path, default=ROOT / ".milvus-server" / "bin" / "milvus-server")
    parser.add_argument("--model", default="student-v1")
    parser.add_argument("--only", nargs="*", choices=[one.name for one in OTHERS], help="these beside kith")
    return parser.parse_args()


def _kith(one: Installation, seed: int) -> Outcome:
    settings = fresh(one.settings, "kith")
    index = wiring.index(settings)
    where = Setting(settings, wiring.indexer_group(settings), wiring.live_collection(settings, index).name, index)
    letters: Callable[[], set[Place]] = lambda: _dead_letters(settings)  # noqa: E731 - as the others' below
    return _judged(where, seed, lambda: one.start(settings, "index"), letters, set)


def _other(one: Installation, other: Contender, seed: int, folder: Path) -> Outcome:
    settings = fresh(one.settings, other.module)
    index, manifest = wiring.index(settings), wiring.release(settings).manifest
    name = f"{settings.collection_prefix}{other.module}"
    create_or_find(
        index.connection,
        CollectionInfo(name, manifest.name, manifest.renderer, manifest.dim),
        Deadline.after(_SETUP_S),
    )
    where = Setting(settings, group(other, settings), name, index)
    dead, log = folder / f"{other.module}.dead", folder / f"{other.module}.log"
    return _judged(
        where,
        seed,
        lambda: other.start(settings, name, folder),
        lambda: {_place(line) for line in dead.read_text().splitlines()} if dead.exists() else set(),
        lambda: {(int(partition), int(offset)) for partition, offset in _LOGGED.findall(log.read_text())},
    )


def _judged(
    where: Setting, seed: int, start: Start, dead_letters: Callable[[], set[Place]], logged: Callable[[], set[Place]]
) -> Outcome:
    """Send, kill, send the rest, start again, and compare once the log is worked off."""
    codec, topic = wiring.codec(where.settings), wiring.topics(where.settings).changes
    events = script(lambda change: codec.encode(topic.subject, change), seed)
    _send(where.settings, events[:FIRST_HALF])
    with _running(start) as started:
        _until_half_way(where, started[-1])
    done = sum(_committed(where).values())
    _send(where.settings, events[FIRST_HALF:])
    ended = _worked_off(where, start)
    right = truth(
        read_topic(where.settings.kafka_client(), topic.name),
        lambda value: codec.decode(value, ProfileChange),
        wiring.renderer(where.settings),
    )
    findings = compare(right, _rows(where), dead_letters(), logged())
    codec.close()
    where.index.close()
    return Outcome(findings, done, ended)


def _send(settings: Settings, events: Sequence[Event]) -> None:
    topic, publisher = wiring.topics(settings).changes.name, wiring.publisher(settings)
    publisher.publish([Outgoing(topic, one.key, one.value) for one in events], Deadline.after(_READ_S))


def _until_half_way(where: Setting, process: subprocess.Popen[bytes]) -> None:
    deadline = Deadline.after(_LEVEL_S)
    while process.poll() is None and sum(_committed(where).values()) < KILL_RECORDS:
        if where.index.count(where.collection, _READ_S) >= KILL_ROWS:
            return
        if deadline.expired():
            raise RuntimeError(f"{where.group} is not half way in {_LEVEL_S:.0f} s")


@contextmanager
def _running(start: Start) -> Iterator[list[subprocess.Popen[bytes]]]:
    """A list with a process, to which others may be added; all are killed in the end."""
    started = [start()]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait(_STOP_S)


def _worked_off(where: Setting, start: Start) -> str | None:
    """Let it work until its group is at the end of the log; why it did not get there, or None."""
    deadline = Deadline.after(_LEVEL_S)
    with _running(start) as started:
        while left := _left(where):
            if (code := started[-1].poll()) is not None:
                if len(started) > RESTARTS:
                    return f"ended {len(started)} times with {code}, {left} records before the end"
                started.append(start())
            if deadline.expired():
                return f"{left} records wait after {_LEVEL_S:.0f} s"
            pause(0.3)
    return None


def _committed(where: Setting) -> dict[int, int]:
    topic, config = wiring.topics(where.settings).changes.name, where.settings.kafka_client()
    return dict(committed(config, where.group, topic, topic_ends(config, topic)))


def _left(where: Setting) -> int:
    topic, config = wiring.topics(where.settings).changes.name, where.settings.kafka_client()
    reached = _committed(where)
    return sum(end - reached.get(number, 0) for number, end in topic_ends(config, topic).items())


def _rows(where: Setting) -> list[Held]:
    def read(client: MilvusClient, left: float) -> Any:
        return client.query(
            where.collection,
            filter=f'{ID_FIELD} != ""',
            output_fields=[ID_FIELD, VERSION_FIELD, TEXT_FIELD],
            limit=_MOST_ROWS,
            consistency_level="Strong",
            timeout=left,
        )

    rows = where.index.connection.call(f"read {where.collection}", _READ_S, read)
    return [Held(row[ID_FIELD], row[VERSION_FIELD], row[TEXT_FIELD]) for row in rows]


def _dead_letters(settings: Settings) -> set[Place]:
    codec, topic = wiring.codec(settings), wiring.topics(settings).dead_letters.name
    found = read_topic(settings.kafka_client(), topic)
    letters = [codec.decode(one.value, DeadLetter) for one in found if one.value is not None]
    codec.close()
    return {(letter.partition, letter.offset) for letter in letters}


def _place(line: str) -> Place:
    partition, _colon, offset = line.partition(":")
    return int(partition), int(offset)


def markdown(found: dict[str, Outcome]) -> str:
    """Two tables: sums, and profiles that are wrong by the kind of their events."""
    lines = [
        "| consumer | lost | stale | duplicated | resurrected | let in | swallowed | of these logged | to the end |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, one in found.items():
        sums = " | ".join(str(getattr(one.findings, column)) for column in _SUMS)
        lines.append(f"| {name} | {sums} | {one.findings.logged} | {one.ended or 'yes'} |")
    lines += ["", f"| wrong profiles of kind | {' | '.join(found)} |", "|---" * (len(found) + 1) + "|"]
    for kind, count in COUNTS.items():
        wrong = " | ".join(str(one.findings.wrong.get(kind, 0)) for one in found.values())
        lines.append(f"| {kind} ({count}) | {wrong} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
