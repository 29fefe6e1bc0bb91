"""The capacity model: every line of a plan as a formula over unit costs, parameters, and lines above it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kith.capacity.sheet import Formula, Resource

Sections = Mapping[str, Sequence[Formula]]

_CORES, _MEMORY = Resource.CORES, Resource.MEMORY
_DISK, _OBJECTS, _TABLE = Resource.KAFKA_DISK, Resource.OBJECT_STORAGE, Resource.TABLE_DISK

TRAFFIC = (
    Formula("changes_per_s", "1/s", "changes at the busiest time", "changes_per_day / 86400 * peak"),
    Formula("texts_per_s", "1/s", "texts to embed at the busiest time", "changes_per_s * embedded_share"),
)

ON_PROCESSORS = (
    Formula(
        "indexer_cpu_per_change",
        "CPU s",
        "of an indexer, embedding included",
        "embedded_share * indexer_cpu_new_text + (1 - embedded_share) * indexer_cpu_known_text",
    ),
    Formula(
        "indexer_rate",
        "1/s",
        "changes that one indexer does",
        "1 / (embedded_share / indexer_rate_new_text + (1 - embedded_share) / indexer_rate_known_text)",
    ),
    Formula("replay_rate", "1/s", "the same, of new texts alone", "indexer_rate_new_text * 1"),
)

# What the processor does not embed; the path around the model is that of a known text.
ON_GPUS = (
    Formula(
        "indexer_cpu_per_change",
        "CPU s",
        "of an indexer, without embedding",
        "embedded_share * max(indexer_cpu_known_text, indexer_cpu_new_text - 1 / embedder_texts_per_cpu_s)"
        " + (1 - embedded_share) * indexer_cpu_known_text",
    ),
    Formula(
        "indexer_rate",
        "1/s",
        "changes that one indexer with its GPU does",
        "1 / max(embedded_share / gpu_texts_per_second, 1 / indexer_rate_known_text)",
    ),
    Formula(
        "replay_rate",
        "1/s",
        "the same, of new texts alone",
        "min(gpu_texts_per_second, indexer_rate_known_text)",
    ),
)

INDEXERS = (
    Formula(
        "indexer_cpu",
        "cores",
        "all indexers",
        "changes_per_s * indexer_cpu_per_change / utilization",
        _CORES,
    ),
    Formula(
        "indexers",
        "pods",
        "indexers, by their rate and by their processors",
        "ceil(max(1, changes_per_s / (indexer_rate * utilization), indexer_cpu / indexer_cores))",
    ),
)

REPLAY_WITHIN = (
    Formula(
        "replay_indexers",
        "pods",
        "indexers that embed everybody in the time wanted",
        "ceil(profiles / (replay_hours * 3600 * replay_rate))",
    ),
)
REPLAY_AS_IT_IS = (
    Formula("replay_indexers", "pods", "as many again as there are: the candidate's own", "indexers * 1"),
)
REPLAY = (
    Formula(
        "replay_takes_h",
        "h",
        "embedding everybody again",
        "profiles / (replay_indexers * replay_rate) / 3600",
    ),
    Formula("replay_core_hours", "core h", "of indexers, for that", "profiles * indexer_cpu_new_text / 3600"),
)

GPUS = (
    Formula("gpus", "GPUs", "one for each indexer", "indexers * 1"),
    Formula("replay_gpus", "GPUs", "one for each indexer of a replay", "replay_indexers * 1"),
)

TABLE = (
    Formula(
        "table_disk", "B", "the tables of all indexers", "profiles * table_bytes_per_profile * compaction_slack", _TABLE
    ),
    Formula("table_disk_per_indexer", "B", "the volume of one indexer", "table_disk / indexers"),
    Formula(
        "indexer_memory",
        "B",
        "all indexers: process, and cache, filters and write buffers of the table",
        "indexers * (indexer_resident_bytes + table_cache_bytes) + profiles * table_filter_bits / 8"
        " + partitions * 2 * table_buffer_bytes",
        _MEMORY,
    ),
    Formula("indexer_memory_each", "B", "one indexer", "indexer_memory / indexers"),
)

# Whoever gets a partition reads its table before it works; one that left took its copy along.
MOVES = (
    Formula(
        "restore_rate",
        "1/s",
        "profiles of its table that an indexer reads again",
        "restore_run_profiles / (restore_run_s - restore_none_s)",
    ),
    Formula(
        "restore_s", "s", "an indexer that lost its volume reads its whole part", "profiles / indexers / restore_rate"
    ),
    Formula(
        "joiner_restore_s", "s", "one more indexer reads the part it gets", "profiles / (indexers + 1) / restore_rate"
    ),
    Formula(
        "leaver_restore_s",
        "s",
        "the others, side by side, read the part of one that left",
        "profiles / indexers / max(1, indexers - 1) / restore_rate",
    ),
)

BROKERS = (
    Formula(
        "broker_cpu",
        "cores",
        "brokers, one copy of each topic",
        "changes_per_s * (broker_cpu_taking_in + embedded_share * broker_cpu_new_text"
        " + (1 - embedded_share) * broker_cpu_known_text) / utilization",
        _CORES,
    ),
    Formula(
        "changes_disk",
        "B",
        "profile.changes",
        "changes_per_day * changes_bytes * changes_days * kafka_replicas",
        _DISK,
    ),
    Formula("backfill_disk", "B", "profile.backfill, one replay", "profiles * changes_bytes * kafka_replicas", _DISK),
    Formula(
        "receipts_disk",
        "B",
        "profile.receipts",
        "changes_per_day * receipts_bytes * receipts_days * kafka_replicas",
        _DISK,
    ),
    Formula("state_disk", "B", "profile.state", "profiles * state_bytes * compaction_slack * kafka_replicas", _DISK),
    Formula(
        "embeddings_disk",
        "B",
        "profile.embeddings",
        "profiles * (embeddings_bytes + 4 * (dim - measured_dim)) * compaction_slack * kafka_replicas",
        _DISK,
    ),
    Formula(
        "broker_in",
        "B/s",
        "written by clients at the busiest time",
        "changes_per_s * (changes_bytes + state_bytes + receipts_bytes"
        " + embedded_share * (embeddings_bytes + 4 * (dim - measured_dim)))",
    ),
)

INDEX = (
    Formula("row_memory", "B", "of a row, loaded", "milvus_row_memory_bytes + 4 * (dim - measured_dim)"),
    Formula("milvus_memory", "B", "query nodes", "profiles * row_memory * replicas / memory_fill", _MEMORY),
    Formula(
        "row_stored",
        "B",
        "of a row: fields, statistics, index; the vector is in the fields and in the index",
        "milvus_row_fields_bytes + milvus_row_stats_bytes + milvus_row_index_bytes + 8 * (dim - measured_dim)",
    ),
    Formula("milvus_storage", "B", "object storage", "profiles * row_stored * compaction_slack", _OBJECTS),
    Formula(
        "milvus_write_cpu",
        "cores",
        "taking rows in",
        "changes_per_s * milvus_cpu_per_change / utilization",
        _CORES,
    ),
    Formula(
        "milvus_build_cpu",
        "cores",
        "data and index nodes: sealing and indexing them",
        "changes_per_s * milvus_build_cpu_per_row * index_builds / utilization",
        _CORES,
    ),
    Formula(
        "replay_build_core_hours",
        "core h",
        "indexing everybody once",
        "profiles * milvus_build_cpu_per_row * index_builds / 3600",
    ),
)
NODES = (
    Formula(
        "query_nodes",
        "nodes",
        "by memory",
        "ceil(milvus_memory / (node_memory_gib * 1073741824))",
    ),
)

SEARCHES = (
    Formula(
        "query_cpu",
        "cores",
        "all query consumers",
        "searches_per_second * query_cpu_per_search / utilization",
        _CORES,
    ),
    Formula("query_consumers", "pods", "by their processors", "ceil(max(1, query_cpu / query_cores))"),
    Formula("query_memory", "B", "all query consumers", "query_consumers * query_resident_bytes", _MEMORY),
    Formula(
        "segments",
        "",
        "segments that a search goes through",
        "ceil(profiles * milvus_row_fields_bytes / (segment_mib * 1048576))",
    ),
    Formula(
        "milvus_cpu_of_a_search",
        "CPU s",
        "query nodes, one question",
        "milvus_cpu_per_search + max(0, segments - milvus_few_segments) * milvus_cpu_per_segment_search",
    ),
    Formula(
        "milvus_search_cpu",
        "cores",
        "query nodes",
        "searches_per_second * milvus_cpu_of_a_search / utilization",
        _CORES,
    ),
    Formula(
        "broker_search_cpu",
        "cores",
        "brokers, for questions and answers",
        "searches_per_second * broker_cpu_per_search / utilization",
        _CORES,
    ),
    Formula(
        "search_disk",
        "B",
        "search.requests and search.replies",
        "searches_per_second * 3600 * search_hours * (requests_bytes + replies_bytes) * kafka_replicas",
        _DISK,
    ),
    Formula(
        "impressions_disk",
        "B",
        "search.impressions, were it always the busiest time",
        "searches_per_second * 86400 * impressions_days * impressions_bytes * kafka_replicas",
        _DISK,
    ),
)

SCALING = (
    Formula("lag_cleared_s", "s", "one indexer clears the lag that calls for another", "lag_threshold / indexer_rate"),
    Formula("lag_at_rest", "", "records that seem to wait between two commits", "indexer_rate * commit_s"),
    Formula(
        "scale_up_s",
        "s",
        "from that lag to the receipt of a pod that is placed at once, its image at hand",
        "polling_s + scale_up_wait_s + indexer_first_receipt_s + joining_stall_s + joiner_restore_s",
    ),
    Formula("lag_meanwhile", "", "records that come meanwhile, of a busy indexer's", "indexer_rate * scale_up_s"),
    Formula(
        "calm_over_pause",
        "",
        "calm before a pod goes, over how long its partitions then stand still",
        "scale_down_wait_s / (leaving_stall_s + leaver_restore_s)",
    ),
)

SCALING_QUERIES = (
    Formula("query_rate", "1/s", "dearest questions that one consumer answers", "query_cores / query_cpu_per_search"),
    Formula(
        "query_lag_at_rest",
        "",
        "requests that seem to wait between two commits, of a busy one's",
        "query_rate * query_commit_s",
    ),
    Formula(
        "query_lag_calls_at",
        "1/s",
        "cheaper questions of one consumer that call for another by that alone",
        "query_lag_threshold / query_commit_s",
    ),
    Formula("query_scale_up_s", "s", "from a look that shows it to one more that answers", "polling_s + query_start_s"),
)

PARTITIONS = Formula(
    "partitions", "", "of profile.changes, for ever: the most of indexers", "max(indexers, replay_indexers)"
)
PARTITIONS_OF_BOTH = Formula(
    "partitions",
    "",
    "of every topic, for ever: the most of indexers and query consumers",
    "max(indexers, replay_indexers, query_consumers)",
)
TOTALS = {
    Resource.CORES: ("total_cores", "cores"),
    Resource.MEMORY: ("total_memory", "B"),
    Resource.KAFKA_DISK: ("total_broker_disk", "B"),
    Resource.OBJECT_STORAGE: ("total_object_storage", "B"),
    Resource.TABLE_DISK: ("total_table_disk", "B"),
}


def sections(given: frozenset[str]) -> list[tuple[str, Sequence[Formula]]]:
    """The formulas of a plan in their order, by what was given.

    Args:
        given: names of the parameters that have a value.
    """
    on_gpus, searched = "gpu_texts_per_second" in given, "searches_per_second" in given
    replay = REPLAY_WITHIN if "replay_hours" in given else REPLAY_AS_IT_IS
    found: list[tuple[str, Sequence[Formula]]] = [
        ("Traffic", TRAFFIC),
        ("Indexers", (*(ON_GPUS if on_gpus else ON_PROCESSORS), *INDEXERS)),
        ("Embedding everybody again", (*replay, *REPLAY)),
    ]
    if on_gpus:
        found.append(("GPUs", GPUS))
    if searched:
        found.append(("Searches", SEARCHES))
    return [
        *found,
        ("Partitions", (PARTITIONS_OF_BOTH if searched else PARTITIONS,)),
        ("Tables of the indexers", TABLE),
        ("Moving a table", MOVES),
        ("Brokers", BROKERS),
        ("Scaling of the indexers", SCALING),
        *((("Scaling of the query consumers", SCALING_QUERIES),) if searched else ()),
        ("Milvus", (*INDEX, *(NODES if "node_memory_gib" in given else ()))),
    ]
