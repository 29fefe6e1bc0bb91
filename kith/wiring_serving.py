"""Composition of the query consumer: settings to what answers, and what it follows."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from kith import wiring
from kith.settings import Settings, require
from kith.wiring_rollout import of_release
from workers.comparison import CandidateTraffic
from workers.constraints import Constraints
from workers.embedding import RunsOn
from workers.impressions import Impressions
from workers.kept_vectors import KeptVectors
from workers.load import RequestQueue
from workers.matched_text import Passages
from workers.model_collections import collection_name, describe, resolve_live
from workers.query_consumer import QueryConsumer
from workers.refused_requests import RefusedRequests
from workers.reply_sender import ReplySender
from workers.request_reader import RequestReader
from workers.retrieval import Retrieval
from workers.rights import Rights
from workers.rollout_watch import RolloutWatch
from workers.search import QueryLimits, Searcher
from workers.serving_models import ServingModels
from workers.watermark import Watermarks

_SHARE_OF_TIMEOUT = 0.4


def serving_models(settings: Settings) -> tuple[ServingModels, RunsOn]:
    """Models by release name: the configured one, loaded now, and others of its folder and of `models_dir`.

    Returns:
        The models, and where the configured one runs.

    Raises:
        kith.errors.ReleaseError: the configured release is missing or altered.
        kith.errors.SettingsError: the provider is not there.
    """
    models = ServingModels(lambda model: wiring.embedder(of_release(settings, model)))
    configured = wiring.embedder(settings)
    models.keep(configured.model, configured)
    return models, configured.runs_on


@dataclass(frozen=True, slots=True)
class QueryParts:
    """The query consumer, what it follows the indexers and a rollout with, what logs what it showed, and its model."""

    consumer: QueryConsumer
    watermarks: Watermarks
    watch: RolloutWatch
    candidate: CandidateTraffic
    impressions: Impressions | None
    runs_on: RunsOn


def allowed_reply_topics(settings: Settings) -> str:
    """Regular expression that a reply topic must match in full, prefix included."""
    # Grouped: the prefix stands before every alternative of the setting.
    return f"{re.escape(settings.topic_prefix)}(?:{settings.reply_topics_allowed})"


def query_consumer(settings: Settings) -> QueryParts:
    """What answers search requests.

    Raises:
        kith.errors.ReleaseError: the model release is missing or altered.
        kith.errors.InputError: the key of rights does not fit its algorithm.
    """
    require(settings, "kafka_bootstrap", "milvus_uri")
    (models, runs_on), held = serving_models(settings), wiring.index(settings)
    records, declared = wiring.codec(settings), wiring.topics(settings)
    # Looking the alias up and searching together leave the reply some time to travel.
    each_s = _SHARE_OF_TIMEOUT * settings.query_timeout_s
    inputs = [topic.name for topic in declared.inputs]
    watermarks = Watermarks(settings.kafka_client(), lambda model: wiring.group_of(settings, model), inputs, records)
    prefix = settings.collection_prefix
    passages = Passages(KeptVectors(settings.query_passage_cache, "passage"), settings.query_passages_ms / 1000)
    retrieval = Retrieval(held, each_s, watermarks.of, KeptVectors(settings.query_cache), passages)
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
        QueryLimits(settings.query_max_limit, settings.query_max_chars, settings.query_max_depth),
        candidate,
        Constraints(Rights(settings.rights_key.get_secret_value(), settings.rights_algorithm)),
    )
    impressions = Impressions(settings.kafka_client(), records, declared) if settings.impressions else None
    consumer = QueryConsumer(
        settings.kafka_client(**{"group.id": wiring.query_group(settings)}),
        declared.requests,
        searcher,
        RequestReader(records, allowed_reply_topics(settings), settings.query_timeout_s),
        ReplySender(settings.kafka_client(), records, declared.replies, impressions),
        RefusedRequests(settings.kafka_client(), records, declared.search_dead_letters),
        RequestQueue(settings.query_max_batch, settings.query_max_wait_ms, lambda one: one.partition, random.random),
        batch_wait_s=settings.query_batch_wait_ms / 1000,
    )
    return QueryParts(consumer, watermarks, watch, candidate, impressions, runs_on)
