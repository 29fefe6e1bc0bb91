"""`kith index --workers 2`: one is killed and comes back, both end together, every record has one outcome."""

import signal
import subprocess

import httpx2
import psutil

from kith.services.ports import LOOPBACK, free_port
from schemas.records import Outcome
from tests.integration.accounting import audited, wait_settled
from tests.integration.bus import upsert
from tests.kith_process import command
from tests.waiting import wait_until


def ready(port):
    try:
        return httpx2.get(f"http://{LOOPBACK}:{port}/readyz", timeout=2.0).status_code == 200
    except httpx2.TransportError:
        return False


def workers_of(process):
    return sorted(psutil.Process(process.pid).children(), key=lambda one: one.create_time())


def test_a_worker_that_is_killed_comes_back_and_every_record_has_one_outcome(settings, bus, tmp_path):
    first = free_port()
    # The one after it is taken by chance only.
    ports = first, first + 1
    with (tmp_path / "index.log").open("wb") as log:
        process = subprocess.Popen(
            command(settings, "index", "--workers", "2", "--health-port", str(first)), stdout=log, stderr=log
        )
    try:
        wait_until(lambda: [ready(port) for port in ports], all)
        bus.send(*(upsert(f"p{number}", f"Baker number {number}") for number in range(300)))
        killed = workers_of(process)[1].pid
        psutil.Process(killed).kill()
        bus.send(*(upsert(f"p{number}", f"Roofer number {number}", 2) for number in range(300)))
        wait_until(lambda: [one.pid for one in workers_of(process)], lambda pids: len(pids) == 2 and killed not in pids)
        wait_until(lambda: [ready(port) for port in ports], all)
        wait_settled(settings)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, (tmp_path / "index.log").read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)
    assert all(not ready(port) for port in ports)
    seen = audited(settings)
    assert seen.exact
    assert sum(seen.outcomes.values()) == 600
    assert seen.outcomes.keys() <= {Outcome.INDEXED, Outcome.STALE}
