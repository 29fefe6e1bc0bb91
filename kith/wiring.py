"""Composition: settings to parts. The only place where classes meet: a test builds any part from plain values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from kith.errors import InputError, ReleaseError, Unavailable
from kith.settings import Settings, require
from schemas.access import INDEXER_GROUPS, QUERY_GROUP, Role, rights_of
from schemas.rollouts import RolloutPhase
from schemas.topics import Topics

if TYPE_CHECKING:
    from schemas.access import Right
    from schemas.codec import Codec
    from schemas.registry import Registry
    from streams.access import AccessAdmin
    from streams.audit import Audit
    from streams.dead_letter_log import DeadLetterLog
    from streams.erase import Eraser
    from streams.publisher import Publisher
    from streams.rebuild import Rebuild
    from streams.rollout_log import RolloutLog
    from streams.topics import TopicAdmin
    from workers.bound_collections import OneCollection
    from workers.contract import CollectionInfo
    from workers.embedding import OnnxEmbedder
    from workers.milvus_index import MilvusIndex
    from workers.refilled_collection import RefilledCollection
    from workers.release import Release
    from workers.render import Renderer
    from workers.search_client import SearchClient

log = structlog.get_logger(__name__)

# Creating, indexing and loading a collection, all together.
_MILVUS_SETUP_S = 30.0
# Brokers that do not acknowledge for so long are said to be away; the records are published again later.
PUBLISH_S = 10.0


def topics(settings: Settings) -> Topics:
    """The topics of this installation.

    Raises:
        kith.errors.ReleaseError: the model release, whose table has a topic of its own, has no manifest.
    """
    from workers.release import read_manifest

    return Topics(settings.topic_prefix, settings.max_record_bytes, read_manifest(settings.model_dir).name)


def bus_topics(settings: Settings) -> Topics:
    """The topics of this installation, for who needs no table of a model."""
    return Topics(settings.topic_prefix, settings.max_record_bytes)


def topic_admin(settings: Settings) -> TopicAdmin:
    """What creates and compares topics."""
    from streams.topics import TopicAdmin

    require(settings, "kafka_bootstrap")
    return TopicAdmin(settings.kafka_client(), settings.partitions, settings.replication_factor)


def access_admin(settings: Settings) -> AccessAdmin:
    """What grants rights on the cluster, and asks for those of this user."""
    from streams.access import AccessAdmin

    require(settings, "kafka_bootstrap")
    return AccessAdmin(settings.kafka_client())


def rights(
    settings: Settings, role: Role, *, reply_topic: str | None = None, group: str | None = None
) -> tuple[Right, ...]:
    """The least rights of a role in this installation. Arguments and errors as `rights_of` and `topics`."""
    from workers.release import read_manifest

    model = read_manifest(settings.model_dir).name
    declared = topics(settings)
    return rights_of(role, declared, settings.topic_prefix, model, reply_topic=reply_topic, group=group)


def require_rights(settings: Settings, role: Role) -> None:
    """Stop a process whose user lacks a right of its role; plain text has no user.

    Raises:
        kith.errors.InputError: names each right that it lacks.
        kith.errors.Unavailable: Kafka does not answer.
    """
    if settings.kafka_security_protocol == "PLAINTEXT":
        return
    if lacking := access_admin(settings).lacks(rights(settings, role)):
        named = ", ".join(f"{one.operation} {one.resource} {one.name}" for one in lacking)
        raise InputError(
            f"Kafka at {settings.kafka_bootstrap} does not let this user: {named}.",
            f"Grant what `kith topics acls --role {role}` shows.",
        )


def registry(settings: Settings) -> Registry:
    """The Schema Registry."""
    from schemas.registry import Registry

    require(settings, "schema_registry_url")
    login = (settings.schema_registry_username, settings.schema_registry_password.get_secret_value())
    return Registry(
        settings.schema_registry_url,
        login=login if settings.schema_registry_username else None,
        ca_file=settings.schema_registry_ca_file,
    )


def codec(settings: Settings) -> Codec:
    """What reads and writes records."""
    from schemas.codec import Codec

    return Codec(registry(settings))


def publisher(settings: Settings) -> Publisher:
    """A producer that knows what was acknowledged."""
    from streams.publisher import Publisher

    require(settings, "kafka_bootstrap")
    return Publisher(settings.kafka_client())


def dead_letter_log(settings: Settings, records: Codec) -> DeadLetterLog:
    """The dead letters, to read and to send again."""
    from streams.dead_letter_log import DeadLetterLog

    return DeadLetterLog(settings.kafka_client(), records, publisher(settings), topics(settings), timeout_s=PUBLISH_S)


def rollout_log(settings: Settings, records: Codec) -> RolloutLog:
    """Where rollouts stand."""
    from streams.rollout_log import RolloutLog

    return RolloutLog(
        settings.kafka_client(), records, topics(settings).rollouts, publisher(settings), timeout_s=PUBLISH_S
    )


def audit(settings: Settings, records: Codec, collection: OneCollection, most: int) -> Audit:
    """What compares bus and index.

    Args:
        most: wrong profiles to name.

    Raises:
        kith.errors.Unavailable: Kafka or the registry does not answer.
    """
    from streams.audit import Audit, AuditBounds, AuditedIndexer

    model = release(settings).manifest.name
    rollout = rollout_log(settings, records).of(model)
    began = {} if rollout is None else {(one.topic, one.partition): one.offset for one in rollout.inputs}

    return Audit(
        settings.kafka_client(),
        records,
        topics(settings),
        publisher(settings),
        collection,
        AuditBounds(most, PUBLISH_S),
        AuditedIndexer(model, indexer_group(settings), began),
    )


def rebuild(settings: Settings, records: Codec, collection: OneCollection) -> Rebuild:
    """What fills a collection from the log."""
    from streams.rebuild import Rebuild

    model = release(settings).manifest.name
    return Rebuild(settings.kafka_client(), records, topics(settings), model, renderer(settings), collection.write)


def eraser(settings: Settings, records: Codec, held: MilvusIndex) -> Eraser:
    """What erases persons.

    Raises:
        kith.errors.Unavailable: a part does not answer, or a candidate is being filled, which may bring them back.
    """
    from streams.erase import Eraser, KnownTo
    from workers.bound_collections import EveryCollection

    filling = [one.candidate for one in rollout_log(settings, records).all() if one.phase is RolloutPhase.FILLING]
    if filling:
        raise Unavailable(
            f"{filling[0]} is being filled from what is known.", "Erase when `kith rollout start` is done."
        )
    collections = EveryCollection(held, settings.collection_prefix, settings.apply_timeout_s)
    there = topic_admin(settings).partitions_held()
    models = sorted({*collections.models().values(), release(settings).manifest.name})
    tables = {model: Topics(settings.topic_prefix, settings.max_record_bytes, model).state for model in models}
    return Eraser(
        settings.kafka_client(),
        records,
        topics(settings),
        publisher(settings),
        collections,
        dead_letter_log(settings, records),
        [KnownTo(group_of(settings, model), state) for model, state in tables.items() if state.name in there],
        timeout_s=PUBLISH_S,
    )


def own_collection(settings: Settings, held: MilvusIndex) -> OneCollection:
    """The collection of the configured release, which has to be there.

    Raises: as `live_collection`.
    """
    from workers.bound_collections import OneCollection
    from workers.model_collections import find_collection

    found = find_collection(held.connection, _wanted_collection(settings), _MILVUS_SETUP_S)
    return OneCollection(held, found.name, settings.apply_timeout_s)


def refilled_collection(settings: Settings, held: MilvusIndex) -> RefilledCollection:
    """The collection of the configured release, to be filled before anybody searches it. Raises as `renderer`."""
    from workers.refilled_collection import RefilledCollection

    wanted = _wanted_collection(settings)
    return RefilledCollection(held.connection, wanted, settings.collection_prefix, _MILVUS_SETUP_S)


def release(settings: Settings) -> Release:
    """The verified model release."""
    from workers.release import load_release

    return load_release(settings.model_dir)


def renderer(settings: Settings) -> Renderer:
    """Profile to text, as the model release has it.

    Raises:
        kith.errors.ReleaseError: the release is missing, or made for a renderer that this kith has not.
    """
    from workers.release import read_manifest
    from workers.render import renderer as by_id

    return by_id(read_manifest(settings.model_dir).renderer)


def embedder(settings: Settings) -> OnnxEmbedder:
    """The model, loaded and ready."""
    from workers.embedding import OnnxEmbedder

    return OnnxEmbedder(
        release(settings),
        threads=settings.embed_threads,
        token_budget=settings.embed_token_budget,
        provider=settings.provider,
        allow_cpu_fallback=settings.allow_cpu_fallback,
    )


def index(settings: Settings) -> MilvusIndex:
    """The vector index; connects at its first use."""
    from workers.milvus_index import MilvusIndex

    require(settings, "milvus_uri")
    return MilvusIndex(
        settings.milvus_uri,
        token=settings.milvus_token.get_secret_value(),
        ca_file=settings.milvus_ca_file,
        consistency=settings.milvus_consistency,
    )


def indexer_group(settings: Settings) -> str:
    """Consumer group of the indexer: one per model release, so that a new model reads the log on its own."""
    return group_of(settings, release(settings).manifest.name)


def group_of(settings: Settings, model: str) -> str:
    """Consumer group of the indexer of a release."""
    return settings.topic_prefix + INDEXER_GROUPS + model


def query_group(settings: Settings) -> str:
    """Consumer group of the query consumers."""
    return settings.topic_prefix + QUERY_GROUP


def live_collection(settings: Settings, held: MilvusIndex) -> CollectionInfo:
    """The collection of the configured release; created, and made live where nothing is live yet.

    Where profiles are known already, the index was lost: it is kept from searches until `kith rebuild` found it whole.

    Raises:
        kith.errors.InputError: it holds vectors of another model, renderer or dimension.
        kith.errors.ReleaseError: as `release` and `renderer`.
        kith.errors.Unavailable: Milvus does not answer.
    """
    from workers.model_collections import ensure_collection, find_collection

    wanted = _wanted_collection(settings)
    if _knows_profiles(settings) and (refilled := refilled_collection(settings, held)).is_lost():
        refilled.open(fresh=False)
        log.warning("the index was lost; nothing is searched in it before `kith rebuild`", collection=wanted.name)
        return find_collection(held.connection, wanted, _MILVUS_SETUP_S)
    return ensure_collection(
        held.connection, wanted.model, wanted.renderer, wanted.dim, _MILVUS_SETUP_S, settings.collection_prefix
    )


def _knows_profiles(settings: Settings) -> bool:
    """Whether the indexer's table has any entry. Raises `kith.errors.Unavailable`."""
    from streams.topic_reader import topic_ends

    state = topics(settings).state.name
    return state in topic_admin(settings).partitions_held() and any(topic_ends(settings.kafka_client(), state).values())


def _wanted_collection(settings: Settings) -> CollectionInfo:
    """The collection as the configured release needs it. Raises as `release` and `renderer`."""
    from workers.contract import CollectionInfo
    from workers.model_collections import collection_name

    found = release(settings).manifest
    renderer(settings)
    return CollectionInfo(
        collection_name(found.name, settings.collection_prefix), found.name, found.renderer, found.dim
    )


def release_folder(settings: Settings, model: str) -> Path:
    """Where a release lies: the configured folder if it is that one, else a folder of its name in `models_dir`.

    Raises:
        kith.errors.InputError: it is not a release name.
        kith.errors.ReleaseError: the release is not there, or is another one.
    """
    from workers.model_collections import collection_name
    from workers.release import MANIFEST, read_manifest

    collection_name(model)  # a name, and not a path to somewhere else
    if read_manifest(settings.model_dir).name == model:
        return settings.model_dir
    folder = settings.models_dir / model
    if not (folder / MANIFEST).is_file():
        known = ", ".join(sorted(path.parent.name for path in settings.models_dir.glob(f"*/{MANIFEST}")))
        raise ReleaseError(
            f"There is no release {model} in {settings.models_dir} (there are: {known or 'none'}).",
            "Put its folder there, or set KITH_MODELS_DIR.",
        )
    if (name := read_manifest(folder).name) != model:
        raise ReleaseError(f"{folder} holds the release {name}.", f"Rename the folder to {name}.")
    return folder


def search_client(settings: Settings) -> SearchClient:
    """What asks over the bus.

    Raises:
        kith.errors.Unavailable: Kafka does not answer.
    """
    from workers.search_client import SearchClient

    require(settings, "kafka_bootstrap")
    return SearchClient(settings.kafka_client(), codec(settings), bus_topics(settings))


def faust_credentials(settings: Settings) -> Any:
    """Faust's credentials object for the Kafka settings; None for plain text."""
    import faust

    protocol = settings.kafka_security_protocol
    if protocol == "PLAINTEXT":
        return None
    context = settings.kafka_tls() if protocol.endswith("SSL") else None
    if protocol == "SSL":
        return faust.SSLCredentials(context)
    return faust.SASLCredentials(
        username=settings.kafka_sasl_username,
        password=settings.kafka_sasl_password.get_secret_value(),
        mechanism=settings.kafka_sasl_mechanism,
        ssl_context=context,
    )
