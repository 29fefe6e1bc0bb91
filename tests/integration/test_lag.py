from kith import wiring
from streams.lag import LagWatch
from tests.integration.bus import upsert
from tests.waiting import wait_until


def test_the_backlog_is_known_by_partition_and_falls_as_it_is_worked_on(settings, worker, bus):
    name = bus.topics.changes.name
    places = [(name, number) for number in range(settings.partitions)]
    bus.send(*(upsert(f"p{n}", "Gardener") for n in range(30)))
    with LagWatch(settings.kafka_client(), wiring.indexer_group(settings), places) as watch:
        wait_until(lambda: watch.behind(places), lambda behind: behind == 30)
        assert 0 < watch.behind(places[:1]) < 30
        worker(settings, "index")
        wait_until(lambda: watch.behind(places), lambda behind: behind == 0)


def test_an_indexer_with_too_much_to_do_is_not_ready_and_says_so(settings, worker, bus):
    settings = settings.model_copy(update={"ready_max_lag": 5})
    one = worker(settings, "index")
    bus.send(*(upsert(f"p{n}", f"Gardener of kind {n}") for n in range(3000)))
    reasons = wait_until(lambda: one.get("/readyz"), lambda answer: answer.status_code == 503).json()["reasons"]
    assert "records wait, and 5 may" in reasons["lag"]
    wait_until(one.ready, bool)
    assert f'kith_lag_records{{group="{wiring.indexer_group(settings)}",partition="0"' in one.get("/metrics").text


def test_a_group_that_cannot_be_asked_leaves_the_backlog_unknown(settings):
    nobody = settings.kafka_client(**{"bootstrap.servers": "127.0.0.1:1", "socket.timeout.ms": 1000})
    with LagWatch(nobody, "nobody", [("profile.changes", 0)]) as watch:
        assert watch.behind([("profile.changes", 0)]) is None
