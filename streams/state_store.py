"""Where the table of known profiles lies on this machine: one RocksDB a partition, beside the offset it is level with.

It is filled from the changelog when a partition is assigned: in large pieces first, and what comes meanwhile by
Faust's own recovery, which goes record by record. While the stream runs, the effects publish the changelog and put the
same bytes here once they are acknowledged, so that no commit can be ahead of the table.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import rocksdict
import structlog
from faust.stores import STORES
from faust.stores.base import Store
from faust.types import TP

from kith.errors import Unavailable
from streams.topic_reader import Stored

log = structlog.get_logger(__name__)

SCHEME = "profile-state"
# Not a profile id, which has no such letter.
_LEVEL = b"@changelog-offset"
_MEMORY = "memory"
# Of each partition; it fills before it is written to the disk, so memory rises and falls by it.
_WRITE_BUFFER_BYTES = 4 << 20
# Of all partitions; blocks of files that were merged away stay until it is full, so memory rises until then.
_CACHE_BYTES = 16 << 20
# Records of the changelog that are written together.
_PIECE = 5000

Bytes = Mapping[bytes, bytes | None]
# The records of partitions, each from the offset on that is named with it, up to what is there now.
ReadChangelog = Callable[[Mapping[int, int]], Iterator[Stored]]


class StateStore(Store[bytes, bytes]):
    """Faust's store of raw bytes, with the partition named at every call instead of taken from a current event."""

    def __init__(self, url: Any, app: Any, table: Any, **kwargs: Any) -> None:
        super().__init__(url, app, table, **kwargs)
        self._open: dict[int, _Partition] = {}
        self._in_memory = self.url.host == _MEMORY
        self._cache = rocksdict.Cache(_CACHE_BYTES)
        self._read: ReadChangelog | None = None

    def catches_up_by(self, read: ReadChangelog) -> None:
        """Read partitions that are assigned in this way first; without it, Faust's recovery reads all."""
        self._read = read

    def fetch(self, partition: int, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The values of those keys that have one."""
        held = self._partition(partition)
        return {key: value for key in keys if (value := held.get(key)) is not None}

    def put(self, partition: int, entries: Bytes, offset: int) -> None:
        """Write entries (None removes one) that the changelog acknowledged; `offset`: of the last of them.

        Raises:
            kith.errors.Unavailable: the disk is full or broken; a later call opens the files again.
        """
        try:
            self._partition(partition).write({**entries, _LEVEL: b"%d" % offset})
        except Unavailable:
            # RocksDB takes nothing any more after a failed write.
            if partition in self._open:
                self._open.pop(partition).close()
            raise

    def persisted_offset(self, tp: TP) -> int | None:
        """See Faust's Store: the changelog offset that this machine is level with."""
        level = self._partition(tp.partition).get(_LEVEL)
        return None if level is None else int(level)

    def set_persisted_offset(self, tp: TP, offset: int) -> None:
        """See Faust's Store."""
        self._partition(tp.partition).write({_LEVEL: b"%d" % offset})

    def apply_changelog_batch(self, batch: Iterable[Any], *_codecs: Any, **_named: Any) -> None:
        """See Faust's Store: what recovery reads from the changelog."""
        entries: dict[int, dict[bytes, bytes | None]] = {}
        for event in batch:
            message = event.message
            entries.setdefault(message.partition, {})[message.key] = message.value
            entries[message.partition][_LEVEL] = b"%d" % message.offset
        self._write_all(entries)

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Close what another worker may open now, and catch up with what came to this one."""
        for tp in revoked:
            if tp.topic in self.table.changelog_topic.topics and tp.partition in self._open:
                self._open.pop(tp.partition).close()
        new = sorted(tp.partition for tp in newly_assigned if tp.topic in self.table.changelog_topic.topics)
        if new and self._read is not None:
            await asyncio.to_thread(self._catch_up, new, self._read)

    def _catch_up(self, partitions: Sequence[int], read: ReadChangelog) -> None:
        """Write what the changelog has beyond the level of each partition; what is left out here, Faust reads."""
        began, count = time.monotonic(), 0
        entries: dict[int, dict[bytes, bytes | None]] = {}
        try:
            since = {number: self._next(number) for number in partitions}
            for stored in read(since):
                written = entries.setdefault(stored.partition, {})
                written[stored.key], written[_LEVEL] = stored.value, b"%d" % stored.offset
                count += 1
                if count % _PIECE == 0:
                    self._write_all(entries)
            self._write_all(entries)
        except Unavailable as error:
            log.warning("the table is read record by record", reason=str(error))
        log.info(
            "table caught up", partitions=len(partitions), records=count, seconds=round(time.monotonic() - began, 2)
        )

    def _write_all(self, entries: dict[int, dict[bytes, bytes | None]]) -> None:
        for partition, written in entries.items():
            self._partition(partition).write(written)
        entries.clear()

    def _next(self, partition: int) -> int:
        level = self._partition(partition).get(_LEVEL)
        return 0 if level is None else int(level) + 1

    async def backup_partition(self, tp: Any, *_args: Any, **_kwargs: Any) -> None:
        """Not offered: the changelog is the backup."""
        raise NotImplementedError("The changelog is the backup.")

    def restore_backup(self, tp: Any, *_args: Any, **_kwargs: Any) -> None:
        """Not offered: Faust's recovery reads the changelog."""
        raise NotImplementedError("Faust's recovery reads the changelog.")

    def reset_state(self) -> None:
        """Forget everything that lies here; the changelog brings it again."""
        self._close()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def on_stop(self) -> None:
        """Close every partition."""
        self._close()

    def _close(self) -> None:
        for held in self._open.values():
            held.close()
        self._open.clear()

    @property
    def _folder(self) -> Path:
        return Path(self.app.conf.tabledir) / self.table_name

    def _partition(self, number: int) -> _Partition:
        if number not in self._open:
            self._open[number] = _InMemory() if self._in_memory else _OnDisk(self._folder / f"{number}", self._cache)
        return self._open[number]


class _Partition:
    """Keys and values of one partition."""

    def get(self, key: bytes) -> bytes | None:
        raise NotImplementedError

    def write(self, entries: Bytes) -> None:
        """All of them or none."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class _InMemory(_Partition):
    def __init__(self) -> None:
        self._held: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self._held.get(key)

    def write(self, entries: Bytes) -> None:
        for key, value in entries.items():
            if value is None:
                self._held.pop(key, None)
            else:
                self._held[key] = value

    def close(self) -> None:
        return None


class _OnDisk(_Partition):
    def __init__(self, folder: Path, cache: rocksdict.Cache) -> None:
        self._folder = folder
        options = rocksdict.Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_write_buffer_size(_WRITE_BUFFER_BYTES)
        blocks = rocksdict.BlockBasedOptions()
        blocks.set_block_cache(cache)
        blocks.set_bloom_filter(10, False)
        options.set_block_based_table_factory(blocks)
        with self._naming("opened"):
            folder.parent.mkdir(parents=True, exist_ok=True)
            self._db = rocksdict.Rdict(str(folder), options)

    def get(self, key: bytes) -> bytes | None:
        with self._naming("read"):
            value: bytes | None = self._db.get(key)
        return value

    def write(self, entries: Bytes) -> None:
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, value in entries.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        with self._naming("written"):
            self._db.write(batch)

    def close(self) -> None:
        with suppress(Exception):  # a full disk has been said already; the changelog holds what is lost here
            self._db.close()

    @contextmanager
    def _naming(self, done: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # rocksdict has no class of its own for them
            raise Unavailable(
                f"The table in {self._folder} cannot be {done}: {error}.", "Make room in the state folder."
            ) from error


STORES.aliases[SCHEME] = "streams.state_store:StateStore"
