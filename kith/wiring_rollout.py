"""Composition of a rollout: settings and the name of a release to its parts."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from kith import wiring
from kith.errors import InputError, KithError
from kith.settings import Settings
from schemas.codec import Codec
from schemas.rollouts import BEFORE, SERVING, Rollout, SearchFeedback, SearchObservation
from streams.fill import CandidateParts, Fill
from streams.groups import Place, begin_at, committed
from streams.lag import GroupLag
from streams.live_first import GivesWay, LiveFirst
from streams.live_freshness import LiveFreshness
from streams.rollout_log import RolloutLog
from streams.topic_reader import offsets_at, read_topic, topic_ends, topic_starts
from streams.vectors import forget_vectors
from workers.guardrails import Observed
from workers.model_collections import collection_name, describe, drop_collection, live_model, point_alias
from workers.retrieval import Arm, Retrieval

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.bound_collections import OneCollection
    from workers.milvus_index import MilvusIndex

_ALIAS_S = 10.0
# Of an indexer that looks whether it is live, between two batches.
_LOOK_S = 1.0
# A candidate's indexer that is behind works on a batch at least so often, seconds.
_HOLD_S = 1.0


def of_release(settings: Settings, model: str) -> Settings:
    """The settings of an indexer of that release.

    Raises:
        kith.errors.ReleaseError: there is no such release.
    """
    return settings.model_copy(update={"model_dir": wiring.release_folder(settings, model)})


def live(settings: Settings, held: MilvusIndex) -> str:
    """Name of the release that is live.

    Raises:
        kith.errors.Unavailable: Milvus does not answer, or nothing is live yet.
    """
    return live_model(held.connection, _ALIAS_S, settings.collection_prefix)


def switch(settings: Settings, held: MilvusIndex, model: str) -> None:
    """Make a release live.

    Raises:
        kith.errors.Unavailable: Milvus does not answer, or the release has no collection.
    """
    name = collection_name(model, settings.collection_prefix)
    point_alias(held.connection, name, _ALIAS_S, settings.collection_prefix)


def arm(settings: Settings, held: MilvusIndex, model: str) -> Arm:
    """A release's collection and model, to be asked directly.

    Raises:
        kith.errors.ReleaseError: the release is missing or altered.
        kith.errors.Unavailable: Milvus does not answer, or the release has no collection.
    """
    embedder = wiring.embedder(of_release(settings, model))
    return Arm(describe(held.connection, collection_name(model, settings.collection_prefix), _ALIAS_S), embedder)


def retrieval(held: MilvusIndex, settings: Settings) -> Retrieval:
    """What asks a collection."""
    return Retrieval(held, settings.query_timeout_s)


def prepare(settings: Settings, candidate: Settings, held: MilvusIndex) -> OneCollection:
    """Topics, contracts and collection of a candidate, made where they are not there; its collection.

    Raises:
        kith.errors.KithError: a part does not answer, or the partitions of the topics differ.
    """
    declared = wiring.topics(candidate)
    admin = wiring.topic_admin(settings)
    partitions = admin.partitions_held()
    of_live = partitions.get(wiring.topics(settings).changes.name)
    if of_live is None:
        raise InputError("Topics are missing on the cluster.", "Run `kith topics apply`.")
    wiring.topic_admin(candidate.model_copy(update={"partitions": of_live})).apply(declared.all())
    registry = wiring.registry(candidate)
    try:
        for topic in (declared.state, declared.rollouts, declared.observations):
            registry.declare(topic.subject, topic.kind)
    finally:
        registry.close()
    wiring.live_collection(candidate, held)
    return wiring.own_collection(candidate, held)


def recorded_offsets(settings: Settings) -> dict[Place, int]:
    """Where the live indexer stands: what comes before is in its table.

    Raises:
        kith.errors.Unavailable: the brokers do not answer.
    """
    config, group = settings.kafka_client(), wiring.indexer_group(settings)
    offsets: dict[Place, int] = {}
    for topic in wiring.topics(settings).inputs:
        starts = topic_starts(config, topic.name)
        reached = committed(config, group, topic.name, starts)
        offsets |= {(topic.name, p): max(start, reached.get(p, start)) for p, start in starts.items()}
    return offsets


def came_since(settings: Settings, rollout: Rollout) -> int:
    """Records that the candidate's indexer would consume before it is level.

    Raises:
        kith.errors.Unavailable: the brokers do not answer.
    """
    config = settings.kafka_client()
    ends = {topic.name: topic_ends(config, topic.name) for topic in wiring.topics(settings).inputs}
    return sum(max(0, ends[one.topic][one.partition] - one.offset) for one in rollout.inputs)


class Consumed(Enum):
    """How far the indexer of a release has come."""

    NOTHING = auto()
    LEVEL = auto()
    TOO_LITTLE = auto()


def consumed(settings: Settings) -> Consumed:
    """Whether the indexer of a release has consumed anything, and can go on from there without a gap.

    Raises:
        kith.errors.Unavailable: the brokers do not answer.
    """
    config, group = settings.kafka_client(), wiring.indexer_group(settings)
    lost = False
    begun = False
    for topic in wiring.topics(settings).inputs:
        starts = topic_starts(config, topic.name)
        reached = committed(config, group, topic.name, starts)
        begun = begun or bool(reached)
        lost = lost or any(offset < starts[partition] for partition, offset in reached.items())
    if lost:
        return Consumed.TOO_LITTLE
    return Consumed.LEVEL if begun else Consumed.NOTHING


def fill(
    settings: Settings,
    candidate: Settings,
    records: Codec,
    collection: OneCollection,
    first: LiveFirst,
    *,
    threads: int,
) -> Fill:
    """What fills a candidate.

    Args:
        settings, candidate: of the live indexer and of the candidate's.
        threads: embedding runs at a time; 0 takes every core.

    Raises:
        kith.errors.ReleaseError: the release is missing or altered.
    """
    used = candidate.model_copy(update={"embed_threads": threads})
    manifest, model = wiring.release(used).manifest, wiring.embedder(used)
    declared = wiring.topics(candidate)
    parts = CandidateParts(
        model=manifest.name,
        renderer=manifest.renderer,
        render=wiring.renderer(candidate),
        state=declared.state,
        embeddings=declared.embeddings,
        embed=model.embed,
        write=collection.write,
        vectors=collection.vectors,
        delete=collection.delete,
    )
    return Fill(
        settings.kafka_client(),
        records,
        wiring.publisher(settings),
        wiring.topics(settings).state,
        parts,
        first,
        timeout_s=wiring.PUBLISH_S,
        give_up_s=settings.retry_give_up_s,
    )


def freshness(settings: Settings, model: str, records: Codec, since_s: float = 0.0) -> LiveFreshness:
    """How fresh the index of a release is, beginning with what was indexed so many seconds ago.

    Raises:
        kith.errors.Unavailable: the brokers do not answer.
    """
    return LiveFreshness(settings.kafka_client(), records, wiring.topics(settings), model, since_s=since_s)


def live_first(settings: Settings, model: str, records: Codec, before_ms: float | None, most_s: float) -> LiveFirst:
    """What holds bulk work back while the changes of the live indexer need it; to be closed.

    Args:
        model: the release that is live; its folder need not be here.

    Raises:
        kith.errors.Unavailable: the brokers do not answer.
    """
    topic = wiring.topics(settings).changes.name
    return LiveFirst(freshness(settings, model, records), before_ms, lambda: lag(settings, model), topic, most_s)


def gives_way(settings: Settings, held: MilvusIndex, records: Codec) -> GivesWay:
    """Lets the indexer of a release give way to that of the live one, until its own collection answers somebody."""
    own = wiring.release(settings).manifest.name

    def live_now() -> str | None:
        try:
            found = live_model(held.connection, _LOOK_S, settings.collection_prefix)
            rollout = None if found == own else wiring.rollout_log(settings, records).of(own)
        except KithError:
            return None
        return own if rollout is not None and rollout.phase in SERVING else found

    def first(model: str) -> LiveFirst:
        rollout = wiring.rollout_log(settings, records).of(own)
        before_ms = None if rollout is None else rollout.figures.get(BEFORE)
        return live_first(settings, model, records, before_ms, _HOLD_S)

    return GivesWay(own, live_now, first)


def lag(settings: Settings, model: str) -> GroupLag:
    """What asks how many records wait for the indexer of a release."""
    held = wiring.topic_admin(settings).partitions_held()
    places = [(topic.name, p) for topic in wiring.topics(settings).inputs for p in range(held.get(topic.name, 0))]
    return GroupLag(settings.kafka_client(), wiring.group_of(settings, model), places)


def begin(candidate: Settings, rollout: Rollout) -> None:
    """Let the candidate's indexer begin where the rollout says; where it has begun already, it goes on.

    Raises:
        kith.errors.Unavailable: the brokers do not answer, or its indexer runs already.
    """
    offsets = {(one.topic, one.partition): one.offset for one in rollout.inputs}
    begin_at(candidate.kafka_client(), wiring.indexer_group(candidate), offsets)


def partitions(settings: Settings) -> list[int]:
    """Of the live indexer's table.

    Raises:
        kith.errors.Unavailable: the brokers do not answer.
    """
    return sorted(topic_ends(settings.kafka_client(), wiring.topics(settings).state.name))


def lags(settings: Settings) -> int | None:
    """Records that wait for the indexer of a release; None when the brokers do not say."""
    from confluent_kafka import KafkaException

    one = lag(settings, wiring.release(settings).manifest.name)
    try:
        return sum(one.look().values())
    except (KafkaException, TimeoutError):
        return None
    finally:
        one.close()


def profiles(at: Opened, model: str) -> int:
    """Profiles in the collection of a release.

    Raises:
        kith.errors.Unavailable: Milvus does not answer, or there is no such collection.
    """
    return at.held.count(collection_name(model, at.settings.collection_prefix), at.settings.apply_timeout_s)


def observed(at: Opened, rollout: Rollout) -> Observed:
    """What was observed of a rollout since its shares were changed last, as far as the topics still have it.

    Raises:
        kith.errors.Unavailable: Kafka or the registry does not answer.
    """
    found, declared, config = Observed(rollout), wiring.topics(at.settings), at.settings.kafka_client()
    for topic in (declared.observations, declared.feedback):
        since = offsets_at(config, topic.name, rollout.changed_at)
        for stored in read_topic(config, topic.name, since):
            if stored.value is None:
                continue
            if topic is declared.observations:
                found.take(at.records.decode(stored.value, SearchObservation))
            else:
                found.take_feedback(at.records.decode(stored.value, SearchFeedback))
    return found


def retire(at: Opened, model: str) -> None:
    """Remove what a release has on the parts. Repeating it is harmless.

    Raises:
        kith.errors.InputError: its collection is live.
        kith.errors.Unavailable: a part does not answer, or its indexer still runs.
    """
    of_model = of_release(at.settings, model)
    declared, config = wiring.topics(of_model), at.settings.kafka_client()
    name = collection_name(model, at.settings.collection_prefix)
    admin = wiring.topic_admin(at.settings)
    # The group goes first: it cannot while an indexer of that release runs.
    admin.delete_group(wiring.indexer_group(of_model))
    drop_collection(at.held.connection, name, _ALIAS_S, at.settings.collection_prefix)
    forget_vectors(config, declared.embeddings, wiring.publisher(at.settings), model, wiring.PUBLISH_S)
    admin.delete_topic(declared.state.name)


@dataclass(frozen=True, slots=True)
class Opened:
    """What a step of a rollout needs open."""

    settings: Settings
    records: Codec
    held: MilvusIndex
    log: RolloutLog


@contextmanager
def opened(settings: Settings) -> Iterator[Opened]:
    """Connections for one step, closed after it."""
    records, held = wiring.codec(settings), wiring.index(settings)
    try:
        yield Opened(settings, records, held, wiring.rollout_log(settings, records))
    finally:
        held.close()
        records.close()
