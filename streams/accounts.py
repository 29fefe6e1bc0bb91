"""Whether every consumed record has exactly one outcome: receipts held against offsets, one byte a record. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.records import Outcome, Receipt

_NONE = 0
_CODES = {outcome: code for code, outcome in enumerate(Outcome, start=1)}


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
