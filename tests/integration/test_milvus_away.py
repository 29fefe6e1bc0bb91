from kith import wiring
from kith.services.local_stack import LocalStack
from kith.services.ports import free_port
from kith.settings import DEFAULT_MODEL_DIR
from tests.integration.bus import upsert
from tests.kith_process import one_line_error, run
from tests.waiting import wait_until
from workers.model_collections import collection_name


def test_milvus_that_does_not_answer_at_the_start_is_one_line_and_exit_code_3(settings):
    away = settings.model_copy(update={"milvus_uri": f"http://127.0.0.1:{free_port()}"})
    done = run(away, "index")
    assert away.milvus_uri in one_line_error(done)
    assert done.returncode == 3


def test_milvus_that_goes_away_is_waited_for_and_work_resumes_by_itself(settings, worker, bus, tmp_path):
    own = LocalStack(tmp_path / "own", settings.parts_dir, external=("kafka", "registry"))
    mine = settings.model_copy(update={"milvus_uri": own.start().milvus_uri, "retry_max_wait_s": 1.0})
    try:
        indexer = worker(mine, "index")
        bus.send(*(upsert(f"p{n}", f"Engineer {n}") for n in range(20)))
        index = wiring.index(mine)
        name = collection_name(DEFAULT_MODEL_DIR.name, mine.collection_prefix)
        wait_until(lambda: index.count(name, 10.0), lambda count: count == 20)

        own.stop(["milvus"])
        bus.send(*(upsert(f"p{n}", f"Engineer {n}") for n in range(20, 40)))
        reasons = wait_until(lambda: indexer.get("/readyz"), lambda answer: answer.status_code == 503).json()
        assert "Milvus" in reasons["reasons"]["parts"]
        own.start()
        wait_until(lambda: index.count(name, 10.0), lambda count: count == 40)
        wait_until(indexer.ready, bool)
        index.close()
    finally:
        own.stop(["milvus"])
