import os
import signal
from collections import Counter

import pytest

from kith import wiring
from kith.services.local_stack import LocalStack
from schemas.records import Outcome, Receipt
from tests.integration.bus import Bus, upsert
from tests.waiting import wait_until


@pytest.fixture
def own(settings, tmp_path):
    """Settings on a broker of their own, which a test may kill, beside the shared registry and index."""
    stack = LocalStack(tmp_path / "own", settings.parts_dir, external=("registry", "milvus"))
    mine = settings.model_copy(update={"kafka_bootstrap": stack.start().kafka_bootstrap, "retry_max_wait_s": 1.0})
    wiring.topic_admin(mine).apply(wiring.topics(mine).all())
    yield stack, mine
    stack.stop(["kafka"])


def test_a_broker_that_is_killed_is_waited_for_and_every_record_gets_its_receipt(own, worker, held):
    stack, mine = own
    indexer = worker(mine, "index")
    bus = Bus(mine)
    bus.send(*(upsert(f"p{n}", f"Engineer {n}", summary="Builds bridges. " * 20) for n in range(400)))
    wait_until(held, lambda count: count > 0)
    os.kill(stack.processes.find("kafka").pid, signal.SIGKILL)

    said = wait_until(lambda: indexer.get("/readyz").json().get("reasons", {}), lambda reasons: "parts" in reasons, 40)
    assert "Kafka at" in said["parts"]
    stack.start()
    wait_until(held, lambda count: count == 400)
    wait_until(indexer.ready, bool)

    receipts = wait_until(
        lambda: bus.read_all(bus.topics.receipts, Receipt),
        lambda found: len({(one.partition, one.offset) for one in found}) == 400,
    )
    assert {(one.partition, one.offset, one.outcome) for one in receipts} == {
        (one.partition, one.offset, Outcome.INDEXED) for one in receipts
    }
    assert max(Counter((one.partition, one.offset) for one in receipts).values()) <= 3
    bus.close()
