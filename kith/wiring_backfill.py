"""Composition of a backfill: settings and options to its source and to what replays it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from kith import wiring
from kith.errors import InputError
from kith.settings import Settings
from schemas.codec import Codec
from streams.backfill import Backfill, BackfillBounds
from streams.backfill_runs import BackfillRuns
from streams.backfill_sources import FileSource, Replayed, Source, StreamSource, TableSource, parse_offsets
from streams.backfill_where import WhereFilter
from streams.lag import GroupLag
from streams.live_freshness import LiveFreshness
from streams.sources.detect import Format
from streams.topic_reader import offsets_at, read_topic
from streams.where import Where


def runs(settings: Settings, records: Codec) -> BackfillRuns:
    """Where backfills stand."""
    topic = wiring.topics(settings).runs
    return BackfillRuns(settings.kafka_client(), records, topic, wiring.publisher(settings), timeout_s=wiring.PUBLISH_S)


def live_freshness(settings: Settings, records: Codec) -> LiveFreshness:
    """How fresh live changes are at the moment."""
    model = wiring.release(settings).manifest.name
    return LiveFreshness(settings.kafka_client(), records, wiring.topics(settings), model)


def where_filter(settings: Settings, records: Codec, where: Where) -> WhereFilter:
    """What judges replayed records by what their profiles say."""
    return WhereFilter(where, records, read_topic(settings.kafka_client(), wiring.topics(settings).state.name))


def backfill(
    settings: Settings, records: Codec, bounds: BackfillBounds, wanted: Callable[[Replayed], bool]
) -> Backfill:
    """What replays a source."""
    declared = wiring.topics(settings)
    held = wiring.topic_admin(settings).partitions_held()
    if missing := [topic.name for topic in (*declared.inputs, declared.runs) if topic.name not in held]:
        raise InputError(f"Topics are missing on the cluster: {', '.join(missing)}.", "Run `kith topics apply`.")
    places = [(topic.name, number) for topic in declared.inputs for number in range(held[topic.name])]
    return Backfill(
        records,
        declared,
        wiring.publisher(settings),
        runs(settings, records),
        lambda: GroupLag(settings.kafka_client(), wiring.indexer_group(settings), places),
        bounds,
        wanted=wanted,
        timeout_s=wiring.PUBLISH_S,
    )


def source(
    settings: Settings, begin: str, file_format: Format, column_map: Mapping[str, str], id_field: str | None
) -> Source:
    """The source that was asked for: `earliest`, a time, offsets, `table` or a file.

    Raises:
        InputError: it is none of these, or lies in the future.
        kith.errors.Unavailable: the brokers do not answer.
    """
    declared, config = wiring.topics(settings), settings.kafka_client()
    if begin == "earliest":
        return StreamSource(config, declared.changes, begin, None)
    if begin == "table":
        return TableSource(config, declared.state)
    if (path := Path(begin.removeprefix("file "))).is_file():
        return FileSource(path, file_format, column_map, id_field)
    moment = _moment(begin)
    if moment is not None:
        return StreamSource(config, declared.changes, begin, offsets_at(config, declared.changes.name, moment))
    if ":" in begin and "/" not in begin:
        return StreamSource(config, declared.changes, begin, parse_offsets(begin))
    raise InputError(
        f"There is no file {begin}, and it is no time and no offsets.",
        "Give earliest, 2026-11-01T12:00:00Z, 0:120,1:80, table, or the path of a file.",
    )


def _moment(text: str) -> int | None:
    """Milliseconds since the epoch of an ISO 8601 time, in UTC where it names no zone; None for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
