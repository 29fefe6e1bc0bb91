import json
import os
import signal

import httpx2

from tests.kith_process import run
from tests.waiting import wait_until


def parts(home):
    status = json.loads(run(home, "status", "--json").stdout)
    return {part["name"]: part for part in status["parts"]}


def indexed(port):
    text = httpx2.get(f"http://127.0.0.1:{port}/metrics").text
    lines = [line for line in text.splitlines() if line.startswith('kith_records_total{outcome="indexed"}')]
    return float(lines[0].split()[-1]) if lines else 0.0


def test_the_indexer_is_killed_while_2000_profiles_go_in_and_all_are_searchable(home):
    up = run(home, "up", "--json")
    assert up.returncode == 0, up.stderr
    where = json.loads(up.stdout)
    assert {name for name, part in parts(home).items() if part["state"] == "running"} == {
        "kafka",
        "registry",
        "milvus",
        "indexer",
        "query",
    }
    produced = run(home, "produce", "--synthetic", "2000", "--seed", "3", "--json")
    assert produced.returncode == 0, produced.stderr
    wait_until(lambda: indexed(where["health_ports"]["indexer"]), lambda count: count > 100)

    os.kill(parts(home)["indexer"]["pid"], signal.SIGKILL)
    ended = run(home, "status")
    assert ended.returncode == 1
    again = run(home, "up", "--json")
    assert again.returncode == 0, again.stderr

    counted = wait_until(lambda: count_of(home), lambda count: count >= 2000, 200)
    assert counted == 2000
    found = run(home, "search", "who can look after my teeth?", "--json")
    assert len(json.loads(found.stdout)["hits"]) == 10, found.stderr

    down = run(home, "down")
    assert down.stdout.strip() == "stopped: query, indexer, milvus, registry, kafka"
    assert run(home, "down").stdout.strip() == "nothing was running"


def count_of(home):
    from kith.settings import ENDPOINTS_FILE
    from workers.milvus_index import MilvusIndex

    with open(f"{home['KITH_STATE_DIR']}/{ENDPOINTS_FILE}") as file:  # noqa: PTH123 - as short as it gets
        index = MilvusIndex(json.load(file)["milvus_uri"])
    count = index.count("profiles__student_v1", 10.0)
    index.close()
    return count
