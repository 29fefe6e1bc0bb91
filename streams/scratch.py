"""Bytes by id on disk, for a command that looks at more profiles or searches than memory should hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self, cast

import rocksdict


class Scratch:
    """A RocksDB in a temporary folder, gone when it is left."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="kith-")

    def __enter__(self) -> Self:
        self._db = rocksdict.Rdict(str(Path(self._folder.name) / "db"), rocksdict.Options(raw_mode=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()
        self._folder.cleanup()

    def put(self, profile_id: str, value: bytes | None) -> None:
        """Keep a value; None forgets the profile."""
        if value is None:
            self._db.delete(profile_id.encode())
        else:
            self._db.put(profile_id.encode(), value)

    def get(self, profile_id: str) -> bytes | None:
        """The value, which stays."""
        value: bytes | None = self._db.get(profile_id.encode())
        return value

    def take(self, profile_id: str) -> bytes | None:
        """The value, which is forgotten by this."""
        value: bytes | None = self._db.get(profile_id.encode())
        if value is not None:
            self._db.delete(profile_id.encode())
        return value

    def starting_with(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        """Ids that begin so, in order, with their values. What is forgotten nearby makes this slow."""
        begin = prefix.encode()
        for key, value in cast(Iterator[tuple[bytes, bytes]], self._db.items(from_key=begin)):
            if not key.startswith(begin):
                return
            yield key.decode(), value

    def items(self) -> Iterator[tuple[str, bytes]]:
        """Everything that is left, in order of the ids."""
        for key, value in cast(Iterator[tuple[bytes, bytes]], self._db.items()):
            yield key.decode(), value
