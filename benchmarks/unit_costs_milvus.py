"""The index's part of the unit costs: memory, disk and CPU of a row, CPU of a search in a segment."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pymilvus import MilvusClient

from benchmarks.cpu_seconds import cpu_seconds, resident_bytes, with_children
from benchmarks.installation import say
from distill.synthetic import synthetic_profiles
from kith.deadline import Deadline
from kith.errors import KithError
from kith.services.process import pause
from streams.fields import profile_fields
from tests.milvus_servers import Standalone
from workers.contract import CollectionInfo, Row
from workers.milvus_index import MilvusIndex
from workers.model_collections import create_or_find
from workers.render import render

_NAME, _DIM = "profiles__costs", 384
_BATCH, _DRAWN = 512, 4000
# Rows that are there before; further segments and their rows, of at least the 1,024 that Milvus indexes.
# Milvus flushes a collection once in ten seconds.
_FIRST, _MORE, _SMALL = 2000, 4, 1200
_CALL_S, _BUILD_S, _SETTLE_S = 60.0, 150.0, 10.0
_IDLE_S, _SEARCHES, _WARM = 4.0, 400, 30
_AT_REST_CORES = 0.2
# What Milvus calls the folders of its object storage.
_STORED = ("insert_log", "stats_log", "index_files")


def measure_milvus(folder: Path, program: Path, rows: int) -> dict[str, object]:
    """Figures by name, units in the names: of so many synthetic profiles with random unit vectors of 384 numbers.

    What a row takes is the difference that `rows` make to a server that holds some already: a first segment brings
    threads and buffers that no further one needs. What a segment adds to a search is the difference that more make.
    """
    server = Standalone(program.absolute(), folder / "milvus")
    server.start()
    try:
        index = MilvusIndex(server.uri)
        create_or_find(index.connection, CollectionInfo(_NAME, "costs", "profile-text-1", _DIM), _deadline())
        _keep_segments_apart(index)
        filled = _Filled(server, index, _rows(_FIRST + rows + _MORE * _SMALL))
        filled.write(_FIRST)
        before, stored = _loaded_anew(server, index), {name: _stored(folder, name) for name in _STORED}
        written, built = filled.write(rows, _idle_cores(server))
        after = {name: _stored(folder, name) - size for name, size in stored.items()}
        memory = _loaded_anew(server, index) - before
        say(f"{rows:,} rows: {memory / rows:.0f} bytes a row in memory")
        few = _searches(server, index)
        for _ in range(_MORE):
            filled.write(_SMALL)
        many = _searches(server, index)
        return {
            "rows": rows,
            "dim": _DIM,
            "write_cpu_s_per_row": round(written / rows, 7),
            "build_cpu_s_per_row": round(built / rows, 7),
            "memory_bytes_per_row": round(memory / rows, 1),
            "stored_bytes_per_row": {name: round(size / rows, 1) for name, size in after.items()},
            **_of_searches(few, many),
        }
    finally:
        server.kill()


@dataclass
class _Filled:
    """A collection that is written to, piece by piece, each flushed and indexed as a segment."""

    server: Standalone
    index: MilvusIndex
    rows: Iterator[Row]

    def write(self, count: int, idle: float = 0.0) -> tuple[float, float]:
        """CPU seconds of Milvus to take rows in, and to seal and index them.

        Args:
            idle: cores that it takes at rest, which are left out.
        """
        began, used = time.monotonic(), _cpu(self.server)
        for _ in range(math.ceil(count / _BATCH)):
            self.index.upsert(_NAME, list(itertools.islice(self.rows, min(_BATCH, count))), _CALL_S)
            count -= _BATCH
        middle, written = time.monotonic(), _cpu(self.server)
        _flush(self.index)
        _wait_indexed(self.index)
        ended, built = time.monotonic(), _cpu(self.server)
        return written - used - idle * (middle - began), built - written - idle * (ended - middle)


def _rows(count: int) -> Iterator[Row]:
    drawn = list(synthetic_profiles(min(count, _DRAWN), 3))
    chance = np.random.default_rng(7)
    people = itertools.cycle([(profile_fields(one.profile, 1), render(one.profile)) for one in drawn])
    for number in range(count):
        vector = chance.standard_normal(_DIM).astype(np.float32)
        yield Row(f"person-{number:09d}", 1, *next(people), vector / np.linalg.norm(vector))


def _loaded_anew(server: Standalone, index: MilvusIndex) -> int:
    """Resident bytes of a server that has just started with what it held: nothing is left of writing."""
    server.kill()
    server.start()
    deadline = Deadline.after(_BUILD_S)
    query = np.eye(1, _DIM, dtype=np.float32)
    _until(lambda: bool(_attempt(lambda: index.search(_NAME, query, 1, [], _CALL_S) is not None)), deadline)
    pause(_SETTLE_S)
    return resident_bytes(with_children(server.pid))


def _attempt(call: Callable[[], bool]) -> bool:
    try:
        return call()
    except KithError:
        return False


def _keep_segments_apart(index: MilvusIndex) -> None:
    """Ask Milvus not to merge them while they are counted; 2.3.5 merged the first two all the same."""

    def alter(client: MilvusClient, left: float) -> None:
        client.alter_collection_properties(_NAME, {"collection.autocompaction.enabled": "false"}, timeout=left)

    index.connection.call("keep segments apart", _CALL_S, alter)


def _flush(index: MilvusIndex) -> None:
    def flush(client: MilvusClient, left: float) -> None:
        client.flush(_NAME, timeout=left)

    index.connection.call("flush", _BUILD_S, flush)


def _wait_indexed(index: MilvusIndex) -> None:
    def pending(client: MilvusClient, left: float) -> int:
        return int(client.describe_index(_NAME, "vector", timeout=left)["pending_index_rows"])

    deadline = Deadline.after(_BUILD_S)
    _until(lambda: index.connection.call("describe", _CALL_S, pending) == 0, deadline)


def _until(reached: Callable[[], bool], deadline: Deadline) -> None:
    while not reached():
        if deadline.expired():
            raise RuntimeError("Milvus took too long.")
        pause(0.5)


@dataclass(frozen=True, slots=True)
class _Searched:
    """CPU seconds of a search, what Milvus takes at rest left out, and rows of the segments that it went through."""

    cpu_s: float
    segments: Sequence[int]


def _searches(server: Standalone, index: MilvusIndex) -> _Searched:
    chance = np.random.default_rng(11)
    queries = chance.standard_normal((_SEARCHES + _WARM, 1, _DIM)).astype(np.float32)
    for query in queries[:_WARM]:
        index.search(_NAME, query, 10, [], _CALL_S)
    idle = _settled(server)
    segments = index.connection.call("list segments", _CALL_S, _segments)
    began, used = time.monotonic(), _cpu(server)
    for query in queries[_WARM:]:
        index.search(_NAME, query, 10, [], _CALL_S)
    spent = _cpu(server) - used - idle * (time.monotonic() - began)
    say(f"{len(segments)} segments: {1000 * spent / _SEARCHES:.2f} CPU ms a search")
    return _Searched(spent / _SEARCHES, segments)


def _of_searches(few: _Searched, many: _Searched) -> dict[str, object]:
    """Raises `RuntimeError` where Milvus merged the segments meanwhile."""
    more = len(many.segments) - len(few.segments)
    if more <= 0:
        raise RuntimeError(f"{len(few.segments)} segments became {len(many.segments)}: measure again.")
    each = (many.cpu_s - few.cpu_s) / more
    return {
        "segments": {"few": sorted(few.segments), "many": sorted(many.segments)},
        "search_cpu_s": {"few": round(few.cpu_s, 7), "many": round(many.cpu_s, 7)},
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


def _segments(client: MilvusClient, left: float) -> Sequence[int]:
    return [int(one.num_rows) for one in client.list_loaded_segments(_NAME, timeout=left)]


def _stored(folder: Path, name: str) -> int:
    return sum(file.stat().st_size for held in folder.rglob(name) for file in held.rglob("*") if file.is_file())


def _cpu(server: Standalone) -> float:
    return cpu_seconds(with_children(server.pid))


def _deadline() -> Deadline:
    return Deadline.after(_CALL_S)
