"""Every metric: name, unit, labels, buckets, help. Names are API: dashboards and alerts hang on them.

A label's values are few and known; what a person wrote or was is never one.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

# Geometric, written once: from a thousandth of a second to ten minutes.
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0)
_RECORDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)

# Every process.
BUILD_INFO = Gauge(
    "kith_build_info",
    "Always 1: which kith runs here as what, with which model release, and where the model runs.",
    ["process", "version", "model", "provider"],
)
READY = Gauge("kith_ready", "1 while /readyz answers 200, else 0.")

# Indexer.
RECORDS = Counter("kith_records_total", "Records of the change stream by their outcome.", ["outcome"])
BATCH_RECORDS = Histogram("kith_batch_records", "Records in a micro-batch.", buckets=_RECORDS)
EMBEDDED = Counter("kith_embedded_total", "Profile texts embedded.")
EMBED_SECONDS = Histogram("kith_embed_seconds", "Time to embed a piece of a micro-batch.", buckets=_SECONDS)
WRITE_SECONDS = Histogram("kith_write_seconds", "Time until the index acknowledged a piece.", buckets=_SECONDS)
FRESHNESS_SECONDS = Histogram(
    "kith_freshness_seconds",
    "Event time to acknowledged by the index, for live changes that were indexed or deleted.",
    buckets=_SECONDS,
)
BATCH_SECONDS = Histogram(
    "kith_batch_seconds", "Time to settle a micro-batch: from its records to their acknowledgement.", buckets=_SECONDS
)
DEAD_LETTERS = Counter("kith_dead_letters_total", "Dead letters by the stage that refused the record.", ["stage"])
TABLE_RESTORING = Gauge(
    "kith_table_restoring", "1 while partitions are handed out and the table of known profiles is read again, else 0."
)
TABLE_RESTORE_SECONDS = Gauge("kith_table_restore_seconds", "How long that took the last time.")
UNAVAILABLE = Counter("kith_unavailable_total", "Attempts that met a part that was unavailable.", ["part"])
# Every indexer of a group tells all partitions: take the maximum over instances before the sum.
LAG_RECORDS = Gauge("kith_lag_records", "Records that wait for the indexers.", ["group", "topic", "partition"])

# Query consumer.
SEARCH_REQUESTS = Counter("kith_search_requests_total", "Search requests by the status of their reply.", ["status"])
SEARCH_SECONDS = Histogram(
    "kith_search_seconds", "From a request's record to its reply, by the reply's status.", ["status"], buckets=_SECONDS
)
SEARCH_QUEUE_SECONDS = Histogram(
    "kith_search_queue_seconds", "From a request's record to the beginning of its work.", buckets=_SECONDS
)
SEARCH_DEGRADED = Counter("kith_search_degraded_total", "What was left out of answers under load.", ["left_out"])
SEARCH_BATCH = Histogram("kith_search_batch_requests", "Requests in a micro-batch.", buckets=_RECORDS)
SEARCH_EMBED_SECONDS = Histogram(
    "kith_search_embed_seconds", "Time to embed a micro-batch's queries.", buckets=_SECONDS
)
SEARCH_CACHED = Counter(
    "kith_search_cached_total", "Questions and passages whose vector was kept from before, or was not.", ["of", "found"]
)
SEARCH_INDEX_SECONDS = Histogram("kith_search_index_seconds", "Time of one call to the index.", buckets=_SECONDS)
SEARCH_DROPPED = Counter(
    "kith_search_replies_dropped_total", "Requests that could not be answered, by the reason.", ["reason"]
)
SEARCH_DEAD_LETTERS = Counter(
    "kith_search_dead_letters_total",
    "Requests without a usable reply topic: kept as dead letters, or not, by the reason.",
    ["outcome"],
)
ROLLOUT_SKIPPED = Counter(
    "kith_rollout_skipped_total",
    "What a rollout left out so that no answer waits for it, by the reason.",
    ["reason"],
)
ROLLOUT_ENDED = Counter("kith_rollout_ended_total", "Rollouts that this process ended because a guardrail was broken.")
IMPRESSIONS = Counter("kith_impressions_total", "Impressions that the brokers acknowledged.")
IMPRESSIONS_DROPPED = Counter(
    "kith_impressions_dropped_total", "Replies with hits whose impression was not logged, by the reason.", ["reason"]
)

# Gateway.
GATEWAY_REQUESTS = Counter(
    "kith_gateway_requests_total", "HTTP requests by route and status; 499: the client went away.", ["route", "code"]
)
GATEWAY_SECONDS = Histogram(
    "kith_gateway_seconds", "From the head of an HTTP request to its response, by route.", ["route"], buckets=_SECONDS
)
GATEWAY_IN_FLIGHT = Gauge("kith_gateway_in_flight", "HTTP requests that wait for their answer.")
