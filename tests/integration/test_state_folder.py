"""The copy of the table in the state folder belongs to one release."""

from kith import wiring
from kith.settings import DEFAULT_MODEL_DIR
from tests.integration.bus import upsert
from tests.waiting import wait_until
from workers.model_collections import collection_name


def test_an_indexer_of_another_release_does_not_take_over_the_table_that_lies_there(settings, worker, bus, held):
    first = worker(settings, "index")
    bus.send(*(upsert(f"p{n}", f"Gardener of kind {n}") for n in range(5)))
    wait_until(held, lambda count: count == 5)
    assert first.terminate() == 0

    other = settings.model_copy(update={"model_dir": DEFAULT_MODEL_DIR.with_name("student-v0")})
    wiring.topic_admin(other).apply(wiring.topics(other).all())
    worker(other, "index")
    index = wiring.index(other)
    name = collection_name("student-v0", other.collection_prefix)
    assert wait_until(lambda: index.count(name, 10.0), lambda count: count == 5, 30) == 5
    index.close()
