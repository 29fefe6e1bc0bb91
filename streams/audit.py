"""Whether every consumed record has exactly one outcome, and the index holds what the table says; with bounded memory.

Outcomes take one byte a record. What the table knows lies in a store on disk while the index is read once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import rocksdict

from schemas.records import Outcome, Receipt

_NONE = 0
_CODES = {outcome: code for code, outcome in enumerate(Outcome, start=1)}


class Wrong(StrEnum):
    """What may be wrong with a profile in the index."""

    MISSING = "missing"
    EXTRA = "extra"
    OLDER = "older"
    NEWER = "newer"


@dataclass(frozen=True, slots=True)
class Range:
    """Consumed records of one partition: from `first` up to, not including, `end`."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class PartitionSums:
    """One partition's records.

    Attributes:
        outcomes: records by outcome.
        without: records without a receipt.
        changed: records whose receipts name different outcomes.
        repeated: receipts that say again what another one said.
    """

    partition: int
    consumed: Range
    outcomes: Mapping[Outcome, int]
    without: int
    changed: int
    repeated: int


class Accounts:
    """Receipts held against consumed records.

    Args:
        consumed: by partition.
        model: only receipts of this model count.
    """

    def __init__(self, topic: str, consumed: Mapping[int, Range], model: str) -> None:
        self._topic = topic
        self._consumed = consumed
        self._model = model
        self._codes = {p: np.zeros(max(0, r.end - r.first), dtype=np.uint8) for p, r in consumed.items()}
        self._changed: Counter[int] = Counter()
        self._repeated: Counter[int] = Counter()

    def take(self, receipt: Receipt) -> None:
        """Note a receipt; one of another topic, model or of a record out of range is none of ours."""
        codes = self._codes.get(receipt.partition)
        if receipt.topic != self._topic or receipt.model != self._model or codes is None:
            return
        at = receipt.offset - self._consumed[receipt.partition].first
        if not 0 <= at < len(codes):
            return
        code = _CODES[receipt.outcome]
        if codes[at] == _NONE:
            codes[at] = code
        elif codes[at] == code:
            self._repeated[receipt.partition] += 1
        else:
            self._changed[receipt.partition] += 1

    def sums(self) -> list[PartitionSums]:
        """The sums of each partition, in order."""
        return [self._sum(partition, codes) for partition, codes in sorted(self._codes.items())]

    def _sum(self, partition: int, codes: npt.NDArray[np.uint8]) -> PartitionSums:
        counts = np.bincount(codes, minlength=len(_CODES) + 1)
        return PartitionSums(
            partition,
            self._consumed[partition],
            {outcome: int(counts[code]) for outcome, code in _CODES.items()},
            int(counts[_NONE]),
            self._changed[partition],
            self._repeated[partition],
        )


@dataclass(slots=True)
class IndexFindings:
    """What the index holds against the table. `wrong`: the first of each kind, up to a bound; `counts`: all of them."""

    right: int = 0
    counts: Counter[Wrong] = field(default_factory=Counter)
    wrong: list[tuple[Wrong, str, int | None, int | None]] = field(default_factory=list)

    def note(self, kind: Wrong, profile_id: str, held: int | None, known: int | None, most: int) -> None:
        """Count a wrong profile, and keep it if there is room."""
        self.counts[kind] += 1
        if len(self.wrong) < most:
            self.wrong.append((kind, profile_id, held, known))


def compare_index(
    known: Iterable[tuple[str, int, bool]], held: Iterable[tuple[str, int]], most: int
) -> IndexFindings:
    """Hold the index against the table.

    Args:
        known: profile id, version and whether it is deleted, oldest state first; a later one replaces an earlier one.
        held: profile id and version of every row of the index, once each.
        most: wrong profiles to name; all are counted.
    """
    found = IndexFindings()
    with TemporaryDirectory(prefix="kith-audit-") as folder, _Store(Path(folder)) as store:
        for profile_id, version, deleted in known:
            if deleted:
                store.delete(profile_id.encode())
            else:
                store.put(profile_id.encode(), b"%d" % version)
        for profile_id, version in held:
            value = store.get(profile_id.encode())
            if value is None:
                found.note(Wrong.EXTRA, profile_id, version, None, most)
                continue
            store.delete(profile_id.encode())
            expected = int(value)
            if version == expected:
                found.right += 1
            else:
                found.note(Wrong.OLDER if version < expected else Wrong.NEWER, profile_id, version, expected, most)
        for key, value in _items(store):
            found.note(Wrong.MISSING, key.decode(), None, int(value), most)
    return found


class _Store:
    """A RocksDB that goes with its folder."""

    def __init__(self, folder: Path) -> None:
        self._db = rocksdict.Rdict(str(folder / "known"), rocksdict.Options(raw_mode=True))

    def __enter__(self) -> rocksdict.Rdict:
        return self._db

    def __exit__(self, *_exc: object) -> None:
        self._db.close()


def _items(store: rocksdict.Rdict) -> Iterator[tuple[bytes, bytes]]:
    yield from store.items()
