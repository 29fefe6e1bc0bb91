"""Every metric: name, unit, labels, buckets, help. Names are API: dashboards and alerts hang on them."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

# Geometric, written once: from a thousandth of a second to ten minutes.
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0)
_RECORDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)

# Indexer.
RECORDS = Counter("kith_records_total", "Records of the change stream by their outcome.", ["outcome"])
BATCH_RECORDS = Histogram("kith_batch_records", "Records in a micro-batch.", buckets=_RECORDS)
EMBEDDED = Counter("kith_embedded_total", "Profile texts embedded.")
EMBED_SECONDS = Histogram("kith_embed_seconds", "Time to embed a piece of a micro-batch.", buckets=_SECONDS)
WRITE_SECONDS = Histogram("kith_write_seconds", "Time until the index acknowledged a piece.", buckets=_SECONDS)
FRESHNESS_SECONDS = Histogram(
    "kith_freshness_seconds", "Event time to acknowledged by the index, for indexed and deleted.", buckets=_SECONDS
)
UNAVAILABLE = Counter("kith_unavailable_total", "Attempts that met a part that was unavailable.", ["part"])
LAG_RECORDS = Gauge("kith_lag_records", "Records that wait for the indexer.", ["topic", "partition"])

# Query consumer.
SEARCH_REQUESTS = Counter("kith_search_requests_total", "Search requests by the status of their reply.", ["status"])
SEARCH_BATCH = Histogram("kith_search_batch_requests", "Requests in a micro-batch.", buckets=_RECORDS)
SEARCH_EMBED_SECONDS = Histogram(
    "kith_search_embed_seconds", "Time to embed a micro-batch's queries.", buckets=_SECONDS
)
SEARCH_CACHED = Counter(
    "kith_search_cached_total", "Questions whose vector was kept from before, or was not.", ["found"]
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
