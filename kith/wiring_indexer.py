"""Composition of the indexer: settings to its Faust application and what stands beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import faust

from kith import wiring
from kith.errors import InputError
from kith.settings import Settings
from kith.wiring_rollout import gives_way
from schemas.codec import Codec
from schemas.topics import Topics
from streams.app import Pipeline, StreamConfig, build_app
from streams.back_pressure import BackPressure
from streams.continuity import Continuity, KafkaLog
from streams.decode import Decoder
from streams.effects import Effects
from streams.index_profiles import BatchBounds, ProfileIndexing
from streams.known_profiles import KnownProfiles
from streams.lag import LagWatch
from streams.publisher import Publisher
from streams.state_store import StateStore
from streams.topic_reader import read_topic
from streams.topics import TopicAdmin
from workers.contract import Embedder
from workers.embedding import RunsOn
from workers.indexing import ModelIndexer


@dataclass(frozen=True, slots=True)
class IndexerParts:
    """The indexer: its Faust application, what it works on, what it waits for, how far it is behind, and its model."""

    app: faust.App
    pipeline: Pipeline
    back_pressure: BackPressure
    lag: LagWatch
    runs_on: RunsOn


class PlacedEmbedder(Embedder, Protocol):
    """An embedder that tells where it runs."""

    @property
    def runs_on(self) -> RunsOn:
        """Where, and how."""
        ...


def indexer(settings: Settings, data_dir: Path, embedder: PlacedEmbedder | None = None) -> IndexerParts:
    """The indexer.

    Args:
        data_dir: folder that belongs to this process alone.
        embedder: in place of the release's own model.

    Raises:
        kith.errors.Unavailable: Milvus does not answer.
        kith.errors.ReleaseError: the model release is missing or altered.
        kith.errors.InputError: its topics do not have as many partitions.
    """
    model: PlacedEmbedder = embedder or wiring.embedder(settings)
    held, render = wiring.index(settings), wiring.renderer(settings)
    collection = wiring.live_collection(settings, held)
    back_pressure = BackPressure(settings.retry_max_wait_s, settings.retry_give_up_s)
    records, declared, admin = wiring.codec(settings), wiring.topics(settings), wiring.topic_admin(settings)
    to_bus, publish_s = wiring.publisher(settings), min(wiring.PUBLISH_S, settings.apply_timeout_s)
    effects = Effects(
        to_bus, records, declared, model=collection.model, renderer=collection.renderer, timeout_s=publish_s
    )

    def indexing(table: StateStore) -> ProfileIndexing:
        return ProfileIndexing(
            Decoder(records, settings.max_record_bytes),
            _known_profiles(table, records, to_bus, declared, admin, publish_s),
            ModelIndexer(model, held, collection.name),
            effects,
            back_pressure,
            BatchBounds(settings.batch_max_records, settings.batch_max_tokens, settings.apply_timeout_s),
            render=render,
        )

    config = _config(settings, declared, data_dir, _partitions(admin, declared))
    continuity = Continuity(KafkaLog(settings.kafka_client(), config.group), back_pressure)
    app, pipeline = build_app(
        config,
        indexing,
        continuity,
        gives_way(settings, held, wiring.codec(settings)),
        lambda since: read_topic(settings.kafka_client(), declared.state.name, since, only=since.keys()),
    )
    places = [(name, number) for name in config.input_topics for number in range(config.partitions)]
    lag = LagWatch(settings.kafka_client(), config.group, places)
    return IndexerParts(app, pipeline, back_pressure, lag, model.runs_on)


def _known_profiles(
    table: StateStore, records: Codec, to_bus: Publisher, declared: Topics, admin: TopicAdmin, publish_s: float
) -> KnownProfiles:
    names = [topic.name for topic in declared.inputs]
    return KnownProfiles(lambda: table, records, to_bus, declared.state, lambda: admin.ids(names), timeout_s=publish_s)


def _config(settings: Settings, declared: Topics, data_dir: Path, partitions: int) -> StreamConfig:
    return StreamConfig(
        group=wiring.indexer_group(settings),
        bootstrap=settings.kafka_bootstrap,
        data_dir=data_dir,
        input_topics=tuple(topic.name for topic in declared.inputs),
        bulk_topic=declared.backfill.name,
        state_topic=declared.state.name,
        partitions=partitions,
        credentials=wiring.faust_credentials(settings),
        max_records=settings.batch_max_records,
        wait_ms=settings.batch_wait_ms,
        max_poll_s=settings.retry_give_up_s + 2 * settings.apply_timeout_s,
    )


def _partitions(admin: TopicAdmin, declared: Topics) -> int:
    """How many the inputs and the table have, which must be as many.

    Raises:
        kith.errors.InputError: they differ.
    """
    held = admin.partitions_held()
    counts = {topic.name: held[topic.name] for topic in (*declared.inputs, declared.state)}
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise InputError(f"The partitions differ: {found}.", "Give the topics of the indexer as many partitions.")
    return counts[declared.changes.name]
