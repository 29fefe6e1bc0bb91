"""The index's part of the unit costs: memory, disk and CPU of a row, CPU of a search in a segment."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from pymilvus import MilvusClient
from pymilvus.grpc_gen.milvus_pb2 import UpsertRequest

from benchmarks.cpu_seconds import cpu_seconds, resident_bytes, with_children
from benchmarks.installation import say
from distill.synthetic import synthetic_profiles
from kith.deadline import Deadline
from kith.errors import KithError
from kith.services.process import pause
from streams.fields import profile_fields
from tests.milvus_servers import Standalone
from workers.contract import CollectionInfo, Row, Vectors
from workers.milvus_index import MilvusIndex
from workers.milvus_upsert import send, upsert_request
from workers.model_collections import create_or_find
from workers.render import render

_NAME, _DIM = "profiles__costs", 384
_BATCH, _DRAWN = 512, 4000
# Rows that are there before, and those of further segments, at least the 1,024 that Milvus indexes.
_FIRST, _SMALL = 2000, 1200
FURTHER_SEGMENTS = 8
_CALL_S, _BUILD_S = 60.0, 150.0
_IDLE_S, _SEARCHES, _WARM = 4.0, 200, 30
_AT_REST_CORES = 0.2
# What Milvus calls the folders of its object storage.
_STORED = ("insert_log", "stats_log", "index_files")


def measure_rows(folder: Path, program: Path, rows: int, rounds: int) -> dict[str, object]:
    """Figures by name, units in the names: of so many synthetic profiles with random unit vectors of 384 numbers.

    What a row takes is the difference that `rows` make to a server that holds some already: a first segment brings
    threads and buffers that no further one needs. Memory is that of servers started anew, the median of `rounds`.
    """
    with _collection(folder, program, _FIRST + rows) as filled:
        filled.write({"first": _FIRST})
        held, stored = _loaded_anew(filled, rounds), _stored(folder, filled.index)
        written, built = filled.write({"rows": rows}, _idle_cores(filled.server))
        after = {name: size - stored[name] for name, size in _stored(folder, filled.index).items()}
        grown = _loaded_anew(filled, rounds)
        memory = median(grown) - median(held)
        say(f"{rows:,} rows: {memory / rows:.0f} bytes a row in memory")
        return {
            "rows": rows,
            "dim": _DIM,
            "write_cpu_s_per_row": round(written / rows, 7),
            "build_cpu_s_per_row": round(built / rows, 7),
            "memory_bytes_per_row": round(memory / rows, 1),
            "resident_bytes_without": held,
            "resident_bytes_with": grown,
            "stored_bytes_per_row": {name: round(size / rows, 1) for name, size in after.items()},
        }


def measure_segments(folder: Path, program: Path, rounds: int) -> dict[str, object]:
    """Figures by name, units in the names: of a search in few segments, and of the difference that more make."""
    with _collection(folder, program, 2 * _FIRST + FURTHER_SEGMENTS * _SMALL) as filled:
        filled.write({"first": _FIRST, "second": _FIRST})
        few = _searches(filled.server, filled.index, rounds)
        filled.write({f"more{number}": _SMALL for number in range(FURTHER_SEGMENTS)})
        many = _searches(filled.server, filled.index, rounds)
        return of_searches(few, many)


@contextmanager
def _collection(folder: Path, program: Path, rows: int) -> Iterator[_Filled]:
    """An empty one, on a server of its own, and rows for it."""
    server = Standalone(program.absolute(), folder / "milvus")
    server.start()
    try:
        index = MilvusIndex(server.uri)
        create_or_find(index.connection, CollectionInfo(_NAME, "costs", "profile-text-1", _DIM), _deadline())
        yield _Filled(server, index, _rows(rows))
    finally:
        server.kill()


@dataclass
class _Filled:
    """A collection that is written to, piece by piece, each flushed and indexed as a segment.

    Each piece is a partition of its own: Milvus merges segments of a partition, and none of different ones.
    """

    server: Standalone
    index: MilvusIndex
    rows: Iterator[Row]
    pieces: int = 0

    def write(self, pieces: Mapping[str, int], idle: float = 0.0) -> tuple[float, float]:
        """CPU seconds of Milvus to take rows in, and to seal and index them.

        Args:
            pieces: how many rows, by the name of their partition.
            idle: cores that it takes at rest, which are left out.
        """
        words = self.index.capabilities(_CALL_S).full_text
        began, used = time.monotonic(), _cpu(self.server)
        for name, count in pieces.items():
            self._take_in(name, count, words=words)
        middle, written = time.monotonic(), _cpu(self.server)
        self._call("flush", lambda client, left: client.flush(_NAME, timeout=left), _BUILD_S)
        _wait_indexed(self.index)
        self.pieces += len(pieces)
        _wait_loaded(self.index, self.pieces)
        ended, built = time.monotonic(), _cpu(self.server)
        return written - used - idle * (middle - began), built - written - idle * (ended - middle)

    def _take_in(self, name: str, count: int, *, words: bool) -> None:
        self._call("make a partition", lambda client, left: client.create_partition(_NAME, name, timeout=left))
        for first in range(0, count, _BATCH):
            some = itertools.islice(self.rows, min(_BATCH, count - first))
            request = upsert_request(_NAME, list(some), with_words=words)
            request.partition_name = name
            self._write(request)

    def _write(self, request: UpsertRequest) -> None:
        self._call("write", lambda client, left: send(client, request, left))

    def _call(self, what: str, call: Callable[[MilvusClient, float], object], seconds: float = _CALL_S) -> None:
        self.index.connection.call(what, seconds, call)


def _rows(count: int) -> Iterator[Row]:
    drawn = list(synthetic_profiles(min(count, _DRAWN), 3))
    chance = np.random.default_rng(7)
    people = itertools.cycle([(profile_fields(one.profile, 1), render(one.profile)) for one in drawn])
    for number in range(count):
        vector = chance.standard_normal(_DIM).astype(np.float32)
        yield Row(f"person-{number:09d}", 1, *next(people), vector / np.linalg.norm(vector))


def _loaded_anew(filled: _Filled, rounds: int) -> list[int]:
    """Resident bytes of a server that has just started with what it held, each time: nothing is left of writing."""
    found, server, index = [], filled.server, filled.index
    query = np.eye(1, _DIM, dtype=np.float32)
    for _ in range(rounds):
        server.kill()
        server.start()
        deadline = Deadline.after(_BUILD_S)
        _until(lambda: bool(_attempt(lambda: index.search(_NAME, query, 1, [], _CALL_S) is not None)), deadline)
        _wait_loaded(index, filled.pieces)
        _settled(server)
        found.append(resident_bytes(with_children(server.pid)))
    return found


def _attempt(call: Callable[[], bool]) -> bool:
    try:
        return call()
    except KithError:
        return False


def _wait_indexed(index: MilvusIndex) -> None:
    def pending(client: MilvusClient, left: float) -> int:
        return int(client.describe_index(_NAME, "vector", timeout=left)["pending_index_rows"])

    deadline = Deadline.after(_BUILD_S)
    _until(lambda: index.connection.call("describe", _CALL_S, pending) == 0, deadline)


def _wait_loaded(index: MilvusIndex, pieces: int) -> None:
    """Until each piece is searched as a segment with its index: before that, searches go through rows as they came."""
    deadline = Deadline.after(_BUILD_S)
    _until(lambda: len(index.connection.call("list segments", _CALL_S, _segments)) == pieces, deadline)


def _until(reached: Callable[[], bool], deadline: Deadline) -> None:
    while not reached():
        if deadline.expired():
            raise RuntimeError("Milvus took too long.")
        pause(0.5)


@dataclass(frozen=True, slots=True)
class Searched:
    """CPU seconds of a search by round, what Milvus takes at rest left out, and rows of the segments gone through."""

    cpu_s: Sequence[float]
    segments: Sequence[int]


def _searches(server: Standalone, index: MilvusIndex, rounds: int) -> Searched:
    chance = np.random.default_rng(11)
    for query in _queries(chance, _WARM):
        index.search(_NAME, query, 10, [], _CALL_S)
    idle = _settled(server)
    segments = index.connection.call("list segments", _CALL_S, _segments)
    spent = []
    for _ in range(rounds):
        queries = _queries(chance, _SEARCHES)
        began, used = time.monotonic(), _cpu(server)
        for query in queries:
            index.search(_NAME, query, 10, [], _CALL_S)
        spent.append((_cpu(server) - used - idle * (time.monotonic() - began)) / _SEARCHES)
    say(f"{len(segments)} segments: {1000 * median(spent):.2f} CPU ms a search")
    return Searched(spent, list(segments.values()))


def _queries(chance: np.random.Generator, count: int) -> Vectors:
    return chance.standard_normal((count, 1, _DIM)).astype(np.float32)


def of_searches(few: Searched, many: Searched) -> dict[str, object]:
    """Figures by name, CPU seconds; a further segment adds the difference of the medians over how many there are.

    Raises:
        RuntimeError: the further segments are not those that were written, or cost nothing.
    """
    more = len(many.segments) - len(few.segments)
    each = (median(many.cpu_s) - median(few.cpu_s)) / FURTHER_SEGMENTS
    if more != FURTHER_SEGMENTS or each <= 0:
        raise RuntimeError(f"{few} became {many}: measure again.")
    return {
        "segments": {"few": sorted(few.segments), "many": sorted(many.segments)},
        "search_cpu_s": {"few": round(median(few.cpu_s), 7), "many": round(median(many.cpu_s), 7)},
        "search_cpu_s_by_round": {
            name: [round(one, 7) for one in some.cpu_s] for name, some in (("few", few), ("many", many))
        },
        "search_cpu_s_per_segment": round(each, 7),
        "segments_of_few": len(few.segments),
    }


def _settled(server: Standalone) -> float:
    """Cores that Milvus takes at rest, once it has nothing left to load or to build."""
    deadline = Deadline.after(_BUILD_S)
    while (idle := _idle_cores(server)) > _AT_REST_CORES:
        if deadline.expired():
            raise RuntimeError(f"Milvus takes {idle:.2f} cores with nothing to do.")
    return idle


def _idle_cores(server: Standalone) -> float:
    used, began = _cpu(server), time.monotonic()
    pause(_IDLE_S)
    return (_cpu(server) - used) / (time.monotonic() - began)


def _segments(client: MilvusClient, left: float) -> Mapping[int, int]:
    return {int(one.segment_id): int(one.num_rows) for one in client.list_loaded_segments(_NAME, timeout=left)}


def _stored(folder: Path, index: MilvusIndex) -> dict[str, int]:
    """Bytes of the segments that are there, by kind; those that compaction left behind lie in folders of their own."""
    live = {str(number) for number in index.connection.call("list segments", _CALL_S, _segments)}
    return {
        name: sum(
            file.stat().st_size
            for held in folder.rglob(name)
            for file in held.rglob("*")
            if file.is_file() and live.intersection(file.relative_to(held).parts)
        )
        for name in _STORED
    }


def _cpu(server: Standalone) -> float:
    return cpu_seconds(with_children(server.pid))


def _deadline() -> Deadline:
    return Deadline.after(_CALL_S)
