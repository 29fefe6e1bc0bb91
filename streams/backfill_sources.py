"""What a backfill replays: a stretch of the change stream, the table, or a file. Each can begin where it was left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from kith.errors import InputError
from schemas.operations import SourcePart
from schemas.records import Operation, ProfileChange
from schemas.topics import Topic
from streams.clock import now_ms
from streams.known_profiles import is_profile
from streams.sources.detect import Format, opened_profiles
from streams.sources.items import Rejection, Stamps
from streams.topic_reader import read_topic, topic_ends, topic_starts

_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Replayed:
    """One record of a source.

    Attributes:
        value: encoded bytes as they stood, or a change to encode; None when it is not to be sent.
        rejection: why a record of a file cannot be sent.
    """

    partition: int
    position: int
    profile_id: str
    value: bytes | ProfileChange | None
    rejection: Rejection | None = None


class Source(Protocol):
    """Something to replay."""

    @property
    def name(self) -> str:
        """As it was asked for."""
        ...

    def parts(self) -> list[SourcePart]:
        """Where it begins and ends, as of now. Raises `kith.errors.Unavailable` and `InputError`."""
        ...

    def records(self, parts: Sequence[SourcePart]) -> Iterator[Replayed]:
        """What is left of it, in order within a part. Raises as `parts`."""
        ...


class StreamSource:
    """The change stream, from given offsets to its end as of now; without them, all that it still has.

    A record without a value deletes whatever came before it and has no version: replayed, it would delete what came
    after it. It is left out; the table knows of the deletion.
    """

    def __init__(self, config: dict[str, Any], topic: Topic, name: str, begin: Mapping[int, int] | None) -> None:
        self._config = config
        self._topic = topic
        self._begin = begin
        self.name = name

    def parts(self) -> list[SourcePart]:
        """See Source."""
        starts, ends = topic_starts(self._config, self._topic.name), topic_ends(self._config, self._topic.name)
        begin = starts if self._begin is None else self._begin
        if unknown := sorted(begin.keys() - ends.keys()):
            raise InputError(f"{self._topic.name} has no partition {unknown[0]}.", f"It has {len(ends)}.")
        return [SourcePart(p, min(max(starts[p], begin[p]), ends[p]), ends[p]) for p in sorted(begin)]

    def records(self, parts: Sequence[SourcePart]) -> Iterator[Replayed]:
        """See Source."""
        since, ends = {part.partition: part.next for part in parts}, {part.partition: part.end for part in parts}
        for stored in read_topic(self._config, self._topic.name, since, only=since):
            if stored.offset < ends[stored.partition]:
                profile_id = stored.key.decode(errors="replace")
                yield Replayed(stored.partition, stored.offset, profile_id, stored.value)


class TableSource:
    """Every profile that the indexer's table knows: the index is made to hold it, as a request to reindex does."""

    name = "table"

    def __init__(self, config: dict[str, Any], state: Topic) -> None:
        self._config = config
        self._state = state

    def parts(self) -> list[SourcePart]:
        """See Source."""
        starts, ends = topic_starts(self._config, self._state.name), topic_ends(self._config, self._state.name)
        return [SourcePart(p, starts[p], ends[p]) for p in sorted(ends)]

    def records(self, parts: Sequence[SourcePart]) -> Iterator[Replayed]:
        """See Source."""
        since, ends = {part.partition: part.next for part in parts}, {part.partition: part.end for part in parts}
        for stored in read_topic(self._config, self._state.name, since, only=since):
            if stored.offset >= ends[stored.partition]:
                continue
            profile_id = stored.key.decode()
            asked = ProfileChange(profile_id, 0, now_ms(), Operation.REINDEX, "kith")
            value = asked if stored.value is not None and is_profile(stored.key) else None
            yield Replayed(stored.partition, stored.offset, profile_id, value)


class FileSource:
    """Profiles of a file, as `kith produce` reads it; positions are record numbers."""

    def __init__(self, path: Path, file_format: Format, column_map: Mapping[str, str], id_field: str | None) -> None:
        self._path = path
        self._format = file_format
        self._column_map = column_map
        self._id_field = id_field
        self.name = f"file {path}"

    def parts(self) -> list[SourcePart]:
        """See Source. It is read once, so that its end is known and an unusable header is said before anything."""
        return [SourcePart(0, 0, sum(1 for _record in self._read(0)))]

    def records(self, parts: Sequence[SourcePart]) -> Iterator[Replayed]:
        """See Source."""
        return self._read(parts[0].next)

    def _read(self, first: int) -> Iterator[Replayed]:
        with opened_profiles(
            self._path, Stamps(), self._format, column_map=self._column_map, id_field=self._id_field
        ) as records:
            for number, record in enumerate(records):
                if number < first:
                    continue
                if isinstance(record, Rejection):
                    yield Replayed(0, number, "", None, record)
                else:
                    yield Replayed(0, number, record.change.profile_id, record.change)


def parse_offsets(text: str) -> dict[int, int]:
    """Partitions and offsets of `0:120,1:80`.

    Raises:
        InputError: it is written in another way.
    """
    try:
        pairs = [part.split(":") for part in text.split(",")]
        return {int(partition): int(offset) for partition, offset in pairs}
    except ValueError:
        raise InputError(f"{text!r} are no offsets.", "Write them as partition:offset,partition:offset.") from None
