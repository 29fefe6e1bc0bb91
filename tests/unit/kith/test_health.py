import socket

import httpx2
import pytest

from kith.errors import PartFailed
from kith.health import HealthServer


def test_ready_tells_every_reason_and_health_whether_work_moves():
    reasons = {"kafka": None, "index": "Milvus is away"}
    alive = [True]
    with HealthServer(
        "127.0.0.1", 0, {name: lambda name=name: reasons[name] for name in reasons}, alive=lambda: alive[0]
    ) as server:
        base = f"http://127.0.0.1:{server.port}"
        answer = httpx2.get(f"{base}/readyz")
        assert (answer.status_code, answer.json()) == (503, {"ready": False, "reasons": {"index": "Milvus is away"}})
        reasons["index"] = None
        assert httpx2.get(f"{base}/readyz").status_code == 200
        assert httpx2.get(f"{base}/healthz").status_code == 200
        alive[0] = False
        assert httpx2.get(f"{base}/healthz").status_code == 503
        assert "kith_records_total" in httpx2.get(f"{base}/metrics").text
        open_metrics = {"accept": "application/openmetrics-text; version=1.0.0"}
        assert httpx2.get(f"{base}/metrics", headers=open_metrics).text.endswith("# EOF\n"), "exemplars are only there"
        assert httpx2.get(f"{base}/else").status_code == 404


def test_a_taken_port_names_the_setting():
    with (
        socket.create_server(("127.0.0.1", 0)) as holder,
        pytest.raises(PartFailed, match="KITH_HEALTH_PORT"),
    ):
        HealthServer("127.0.0.1", holder.getsockname()[1], {}, alive=lambda: True)
