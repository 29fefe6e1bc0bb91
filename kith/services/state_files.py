"""Files that several commands share: written whole or not at all, changed by one process at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path
from typing import IO


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old text or the new, never a part; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text)
    partial.replace(path)


def first_free(parent: Path, preferred: int | None = None) -> tuple[Path, IO[str]]:
    """A numbered folder below `parent` that no other process holds, made if needed.

    Args:
        preferred: the number that is tried first; then, or without it, the first that is free.

    Returns:
        The folder, and the lock on it: held until it is closed or the process dies.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for number in count() if preferred is None else chain([preferred], count()):
        lock = (parent / f"{number}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        folder = parent / str(number)
        folder.mkdir(exist_ok=True)
        return folder, lock
    raise AssertionError("Numbers never end.")


@contextmanager
def only_one(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold a lock file while the block runs; the system releases it when the process dies.

    Args:
        path: the lock file; made when it is missing, and left behind.
        on_wait: called once before waiting, when another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
