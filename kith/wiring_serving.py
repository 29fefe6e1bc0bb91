"""Composition of the query consumer: settings to what answers, and what it follows."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kith import wiring
from kith.settings import Settings, require
from kith.wiring_rollout import of_release
from schemas.access import QUERY_GROUP
from workers.comparison import CandidateTraffic
from workers.model_collections import collection_name, describe, resolve_live
from workers.query_consumer import QueryConsumer
from workers.retrieval import Retrieval
from workers.rollout_watch import RolloutWatch
from workers.search import QueryLimits, Searcher
from workers.serving_models import ServingModels
from workers.watermark import Watermarks

_SHARE_OF_TIMEOUT = 0.4


def serving_models(settings: Settings) -> ServingModels:
    """Models by release name: the configured one, loaded now, and others of its folder and of `models_dir`.

    Raises:
        kith.errors.ReleaseError: the configured release is missing or altered.
    """
    models = ServingModels(lambda model: wiring.embedder(of_release(settings, model)))
    models.load_now(wiring.release(settings).manifest.name)
    return models


@dataclass(frozen=True, slots=True)
class QueryParts:
    """The query consumer, and what it follows the indexers and a rollout with."""

    consumer: QueryConsumer
    watermarks: Watermarks
    watch: RolloutWatch
    candidate: CandidateTraffic


def allowed_reply_topics(settings: Settings) -> str:
    """Regular expression that a reply topic must match in full, prefix included."""
    # Grouped: the prefix stands before every alternative of the setting.
    return f"{re.escape(settings.topic_prefix)}(?:{settings.reply_topics_allowed})"


def query_consumer(settings: Settings) -> QueryParts:
    """What answers search requests.

    Raises:
        kith.errors.ReleaseError: the model release is missing or altered.
    """
    require(settings, "kafka_bootstrap", "milvus_uri")
    models, held = serving_models(settings), wiring.index(settings)
    records, declared = wiring.codec(settings), wiring.topics(settings)
    # Looking the alias up and searching together leave the reply some time to travel.
    each_s = _SHARE_OF_TIMEOUT * settings.query_timeout_s
    inputs = [topic.name for topic in declared.inputs]
    watermarks = Watermarks(settings.kafka_client(), lambda model: wiring.group_of(settings, model), inputs)
    prefix, retrieval = settings.collection_prefix, Retrieval(held, each_s, watermarks.of)
    watch = RolloutWatch(settings.kafka_client(), records, declared)
    candidate = CandidateTraffic(
        watch.current,
        lambda model: describe(held.connection, collection_name(model, prefix), each_s),
        models,
        retrieval,
        watch.observe,
    )
    searcher = Searcher(
        models,
        retrieval,
        lambda: resolve_live(held.connection, each_s, prefix),
        QueryLimits(settings.query_max_limit, settings.query_max_chars),
        candidate,
    )
    consumer = QueryConsumer(
        settings.kafka_client(),
        records,
        declared,
        searcher,
        group=settings.topic_prefix + QUERY_GROUP,
        reply_topics=allowed_reply_topics(settings),
        max_batch=settings.query_max_batch,
        default_timeout_s=settings.query_timeout_s,
    )
    return QueryParts(consumer, watermarks, watch, candidate)
