"""Whether a replayed record is of a profile that was asked for, by what the profile says."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from schemas.codec import Codec, DecodeError
from schemas.records import Operation, ProfileChange, ProfileState
from schemas.registry import UnknownSchema
from streams.backfill_sources import Replayed
from streams.known_profiles import is_profile
from streams.scratch import Scratch
from streams.topic_reader import Stored
from streams.where import Where

_WANTED = b"1"


class WhereFilter:
    """Judges replayed records one by one; on disk meanwhile: the ids that the table would choose.

    A whole profile is judged by itself. What says too little to be judged alone, a patch, a deletion, a request to
    reindex, is judged by what the table knew of its profile when this was entered; a profile that the table does not
    know, or knows to be deleted, is not wanted. Nor is a record that cannot be read.

    Args:
        table: entries of the indexer's table, oldest first.
    """

    def __init__(self, where: Where, codec: Codec, table: Iterable[Stored]) -> None:
        self._where = where
        self._codec = codec
        self._table = table
        self._wanted = Scratch()

    def __enter__(self) -> Self:
        """Read the table. Raises `kith.errors.Unavailable`."""
        self._wanted.__enter__()
        try:
            for entry in self._table:
                if is_profile(entry.key):
                    wanted = entry.value is not None and self._of_state(entry.value)
                    self._wanted.put(entry.key.decode(), _WANTED if wanted else None)
        except BaseException:
            self._wanted.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wanted.__exit__(kind, error, trace)

    def __call__(self, record: Replayed) -> bool:
        """Whether the record is to be sent. Raises `kith.errors.Unavailable`."""
        change = self._change(record.value)
        if change is None:
            return False
        if change.operation is Operation.UPSERT and change.profile is not None and change.changed is None:
            return self._where.holds(change.profile)
        return self._wanted.get(record.profile_id) is not None

    def _of_state(self, value: bytes) -> bool:
        known = self._codec.decode(value, ProfileState).known
        return known is not None and known.profile is not None and self._where.holds(known.profile)

    def _change(self, value: bytes | ProfileChange | None) -> ProfileChange | None:
        if not isinstance(value, bytes):
            return value
        try:
            return self._codec.decode(value, ProfileChange)
        except (DecodeError, UnknownSchema):
            return None
