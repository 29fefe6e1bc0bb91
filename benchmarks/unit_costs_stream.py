"""The stream's part of the unit costs: CPU by process and change, bytes by topic and table, starts, questions."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import rocksdict
from confluent_kafka import Consumer, TopicPartition

from benchmarks.cpu_seconds import Window, between, cpu_seconds, longest_pause, resident_bytes, sampled, with_children
from benchmarks.installation import Installation, kith, say, wait_level
from benchmarks.query_load import at_rate, questions
from kith import wiring
from kith.deadline import Deadline
from kith.services.process import pause
from kith.settings import Settings
from schemas.records import Operation, Profile, ProfileChange
from streams.clock import now_ms
from streams.publisher import Outgoing
from streams.topic_reader import topic_ends

_FIRST, _LAST = 0.1, 0.9
_IDLE_S, _ASK_S, _ASK_RATE = 8.0, 15.0, 10.0
# So that no answer is lighter, however busy the machine is.
_PATIENT_MS = 60_000
_WHOLE_ANSWERS = {
    "query_cache": 0,
    "query_passage_cache": 0,
    "query_max_wait_ms": _PATIENT_MS,
    "query_passages_ms": _PATIENT_MS,
}
_LOGS = Path("parts") / "data" / "kafka" / "logs"


def measure_stream(folder: Path, milvus_server: Path, model: str, people: int) -> dict[str, object]:
    """Figures by name, units in the names; `people` are streamed three times: new, renamed, with other texts."""
    with Installation(folder, milvus_server, model) as one:
        stream = _Stream(one, folder, people)
        try:
            found = stream.first_load() | stream.renamed() | stream.another_joins() | stream.asked()
        finally:
            stream.close()
    return {"people": people, **found, **_table(folder / "state", people)}


class _Stream:
    def __init__(self, one: Installation, folder: Path, people: int) -> None:
        self._one = one
        self._folder = folder
        self._people = people
        self._config = one.settings.kafka_client()
        self._topics = wiring.topics(one.settings)
        self._indexer: list[psutil.Process] = []
        self._consumer = Consumer(self._config | {"group.id": "unit-costs", "enable.auto.commit": False})
        self._places = [
            TopicPartition(self._topics.receipts.name, number)
            for number in topic_ends(self._config, self._topics.receipts.name)
        ]

    def close(self) -> None:
        """Give the connection back."""
        self._consumer.close()

    def first_load(self) -> dict[str, object]:
        """A backlog of new profiles, taken in and worked off."""
        parts = self._one.processes()
        before, began = _taken(parts), time.monotonic()
        pause(_IDLE_S)
        idle = {name: used / (time.monotonic() - began) for name, used in _since(before, _taken(parts)).items()}
        before = _taken(parts)
        kith(self._one.settings, "produce", "--synthetic", str(self._people), "--seed", "3")
        taken_in = _since(before, _taken(parts))["broker"] / self._people
        began = time.monotonic()
        with sampled(parts, self._receipts) as samples:
            process = self._one.start(self._one.settings, "index")
            ready_s = time.monotonic() - began
            # Started within the samples, so its own seconds come from a second look below.
            self._indexer = with_children(process.pid)
            at_ready, done = _taken({"indexer": self._indexer})["indexer"], self._receipts()
            wait_level(self._one.settings)
            spent = _taken({"indexer": self._indexer})["indexer"] - at_ready
            done = self._receipts() - done
        first_s = next(sample.at for sample in samples if sample.done) - began
        window = between(samples, _FIRST * self._people, _LAST * self._people)
        say(f"new texts: {window.per_s:.0f}/s")
        return {
            "idle_cores": _rounded(idle),
            "start_to_ready_s": round(ready_s, 2),
            "start_to_first_receipt_s": round(first_s, 2),
            "new_text": _told(window, {"indexer": spent / done}),
            "broker_taking_in_cpu_s": round(taken_in, 7),
            "indexer_resident_bytes": resident_bytes(self._indexer),
            "topic_bytes_per_record": self._bytes_by_topic(),
        }

    def renamed(self) -> dict[str, object]:
        """Changes that leave every text as it was."""
        codec, publisher, topic = (
            wiring.codec(self._one.settings),
            wiring.publisher(self._one.settings),
            self._topics.changes,
        )
        outgoing = []
        for number in range(self._people):
            who = f"person-{number:07d}"
            change = ProfileChange(
                who, time.time_ns() // 1000, now_ms(), Operation.PATCH, "bench", Profile(f"Name {number}"), ["name"]
            )
            outgoing.append(Outgoing(topic.name, who.encode(), codec.encode(topic.subject, change)))
        parts = self._one.processes() | {"indexer": self._indexer}
        start = self._receipts()
        with sampled(parts, self._receipts) as samples:
            publisher.publish(outgoing, Deadline.after(60))
            wait_level(self._one.settings)
        window = between(samples, start + _FIRST * self._people, start + _LAST * self._people)
        say(f"known texts: {window.per_s:.0f}/s")
        return {"known_text": _told(window)}

    def another_joins(self) -> dict[str, object]:
        """A second indexer joins while a backlog is worked off: how long nobody settles anything."""
        given = self._one.settings.model_copy(update={"state_dir": self._folder / "second"})
        settings = Settings(**{name: getattr(given, name) for name in given.model_fields_set})
        kith(self._one.settings, "produce", "--synthetic", str(self._people), "--seed", "4")
        began = time.monotonic()
        with sampled({}, self._receipts) as samples:
            self._one.start(settings, "index")
            wait_level(self._one.settings)
        stood = longest_pause(samples, began)
        say(f"a second indexer joined: {stood:.1f} s without a receipt")
        return {"join_pause_s": round(stood, 2)}

    def asked(self) -> dict[str, object]:
        """Questions that nobody asked before, about people whose sentences are not kept: what is dearest."""
        given = self._one.settings.model_copy(update=_WHOLE_ANSWERS)
        settings = Settings(**{name: getattr(given, name) for name in given.model_fields_set})
        began = time.monotonic()
        process = self._one.start(settings, "serve")
        ready_s = time.monotonic() - began
        client = wiring.search_client(settings)
        at_rate(client, questions(1), _ASK_RATE, 3.0)
        parts = self._one.processes() | {"consumer": with_children(process.pid)}
        before = _taken(parts)
        answers = at_rate(client, questions(2), _ASK_RATE, _ASK_S)
        used = _since(before, _taken(parts))
        memory = resident_bytes(parts["consumer"])
        bytes_by_topic = self._bytes_by_topic()
        client.close()
        _stop(process)
        lighter = sum(answer.degraded for answer in answers.every)
        say(f"{answers.ok()} of {len(answers.every)} answered, {lighter} lighter")
        return {
            "search": {
                "answered": answers.ok(),
                "lighter": lighter,
                "per_s": _ASK_RATE,
                "cpu_s": _rounded({name: seconds / answers.ok() for name, seconds in used.items()}),
            },
            "query_start_to_ready_s": round(ready_s, 2),
            "query_resident_bytes": memory,
            "search_topic_bytes_per_record": {
                name: size for name, size in bytes_by_topic.items() if name.startswith("search.")
            },
        }

    def _receipts(self) -> int:
        return sum(self._consumer.get_watermark_offsets(place, timeout=10.0)[1] for place in self._places)

    def _bytes_by_topic(self) -> dict[str, float]:
        """Bytes of the brokers' log a record, one replica, by topic; topics without records are left out."""
        found = {}
        for topic in self._topics.all():
            records = sum(topic_ends(self._config, topic.name).values())
            folders = [path for path in (self._folder / _LOGS).iterdir() if path.name.rpartition("-")[0] == topic.name]
            if records:
                size = sum(log.stat().st_size for path in folders for log in path.glob("*.log"))
                found[topic.name.removesuffix(f".{self._one.settings.model_dir.name}")] = round(size / records, 1)
        return found


def _table(state: Path, people: int) -> dict[str, object]:
    """Bytes of the table's disk a profile, as the indexers left it and compacted."""
    folders = [path.parent for path in state.rglob("CURRENT")]
    left = sum(_size(path) for path in folders)
    entries, compacted = 0, 0
    for path in folders:
        held = rocksdict.Rdict(str(path), rocksdict.Options(raw_mode=True))
        held.flush()
        held.compact_range(None, None)
        entries += sum(1 for _ in held.keys())  # noqa: SIM118 - it has no other way to be gone through
        held.close()
        compacted += sum(file.stat().st_size for file in path.glob("*.sst"))
    if entries < people:
        raise RuntimeError(f"the tables hold {entries} entries, fewer than {people} profiles")
    return {
        "table_bytes_per_profile": round(compacted / people, 1),
        "table_bytes_per_profile_as_left": round(left / people, 1),
    }


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _taken(parts: Mapping[str, list[psutil.Process]]) -> dict[str, float]:
    return {name: cpu_seconds(processes) for name, processes in parts.items()}


def _since(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    return {name: after[name] - taken for name, taken in before.items()}


def _told(window: Window, more: Mapping[str, float] | None = None) -> dict[str, object]:
    return {"per_s": round(window.per_s, 1), "cpu_s": _rounded({**window.cpu_s, **(more or {})})}


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 7) for name, value in values.items()}


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(60)
