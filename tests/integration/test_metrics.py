"""What the two workers say at /metrics while they work."""

from prometheus_client.parser import text_string_to_metric_families

from kith import wiring
from kith.settings import DEFAULT_MODEL_DIR
from schemas.search_records import SearchRequest
from tests.integration.bus import upsert
from tests.waiting import wait_until


def scraped(worker):
    """Every sample by its name and its labels."""
    families = text_string_to_metric_families(worker.get("/metrics").text)
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def value(samples, name, **labels):
    return samples[name, frozenset(labels.items())]


def test_what_runs_whether_it_is_ready_and_what_it_did(settings, worker, bus, held):
    indexer = worker(settings, "index")
    bus.send(upsert("p1", "Gardener"), upsert("p2", "Baker"))
    wait_until(held, lambda count: count == 2)
    # A batch is observed once all of it is settled.
    wait_until(lambda: scraped(indexer), lambda one: value(one, "kith_batch_seconds_count") >= 1)
    said = wait_until(lambda: scraped(indexer), lambda one: value(one, "kith_records_total", outcome="indexed") == 2)
    runs = {"version": "0.1.0", "model": DEFAULT_MODEL_DIR.name, "provider": "cpu"}
    assert value(said, "kith_build_info", process="indexer", **runs) == 1
    assert value(said, "kith_ready") == 1
    assert value(said, "kith_table_restoring") == 0
    assert value(said, "kith_table_restore_seconds") > 0
    assert value(said, "kith_batch_seconds_count") >= 1
    assert value(said, "kith_freshness_seconds_count") == 2
    # Series are there before their first event, or a rate would not see it.
    assert value(said, "kith_records_total", outcome="stale") == 0
    assert value(said, "kith_dead_letters_total", stage="decode") == 0
    assert value(said, "kith_unavailable_total", part="index") == 0

    serving = worker(settings, "serve")
    client = wiring.search_client(settings)
    try:
        client.ask(SearchRequest("who grows flowers?"), 20)
        client.ask(SearchRequest(""), 20)
    finally:
        client.close()
    said = scraped(serving)
    assert value(said, "kith_build_info", process="query", **runs) == 1
    assert value(said, "kith_ready") == 1
    assert value(said, "kith_search_seconds_count", status="ok") == 1
    assert value(said, "kith_search_seconds_count", status="bad_request") == 1
    assert value(said, "kith_search_seconds_count", status="overloaded") == 0
    assert value(said, "kith_search_queue_seconds_count") == 2
