from kith import metrics
from kith.health import HealthServer
from kith.services.ports import free_port
from kith.services.provider import provider_of


def test_a_process_is_asked_where_its_model_really_runs():
    metrics.BUILD_INFO.clear()
    assert provider_of(free_port()) is None
    with HealthServer("127.0.0.1", 0, {}, alive=lambda: True) as server:
        assert provider_of(server.port) is None
        metrics.BUILD_INFO.labels("indexer", "0.1.0", "student-v1", "cuda").set(1)
        try:
            assert provider_of(server.port) == "cuda"
        finally:
            metrics.BUILD_INFO.clear()
