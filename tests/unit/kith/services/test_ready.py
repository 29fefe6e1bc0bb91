import pytest

from kith.health import HealthServer
from kith.services.ports import free_port
from kith.services.ready import has_started


@pytest.mark.parametrize(
    ("reasons", "started"),
    [({}, True), ({"lag": "20,000 records wait"}, True), ({"group": "not yet a member"}, False)],
    ids=["ready", "only a backlog", "no member yet"],
)
def test_a_worker_with_a_backlog_has_started(reasons, started):
    checks = {name: lambda reason=reason: reason for name, reason in reasons.items()}
    with HealthServer("127.0.0.1", 0, checks, alive=lambda: True) as server:
        assert has_started(server.port) is started


def test_nobody_on_the_port_has_not_started():
    assert has_started(free_port()) is False
