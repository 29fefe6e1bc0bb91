"""A Java service with Spring Kafka's own ReplyingKafkaTemplate, and nothing of ours, gets its replies."""

import json
import shutil
import subprocess
from collections import Counter

import pytest

from kith.services.jars import require_java, require_maven
from streams.clock import now_ms
from tests.conftest import ROOT
from tests.integration.bus import upsert
from tests.waiting import wait_until

ASKED_AT_ONCE = 200
TRADES = ("welder", "florist", "notary", "beekeeper", "crane operator", "midwife", "luthier", "tax adviser")
# Two instances on the shared topic, and every other way once.
WAYS = {
    "json, shared topic, instance 1": "json",
    "json, shared topic, instance 2": "json",
    "avro, shared topic": "avro",
    "json, reply partition": "json",
    "avro, reply partition": "avro",
}


@pytest.fixture(scope="session")
def java_client(tmp_path_factory):
    """Classpath of the client, built by Maven; MAVEN_OPTS reaches it as for any build."""
    folder = tmp_path_factory.mktemp("java-client") / "java"
    shutil.copytree(ROOT / "tests" / "clients" / "java", folder, ignore=shutil.ignore_patterns("target"))
    goals = ["compile", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=target/jars"]
    done = subprocess.run(
        [require_maven(), "-q", "-B", *goals], cwd=folder, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return f"{folder / 'target' / 'classes'}:{folder / 'target' / 'jars'}/*"


def test_every_request_gets_its_own_reply_and_errors_arrive_as_replies(
    settings, worker, bus, held, java_client, tmp_path
):
    people = [f"person-{number}" for number in range(ASKED_AT_ONCE)]
    worker(settings, "index")
    bus.send(*(upsert(one, f"{TRADES[n % len(TRADES)]}, licence {n}") for n, one in enumerate(people)))
    wait_until(held, lambda count: count == len(people))
    # Correlation is what is shown here: load and the time to answer have tests of their own.
    worker(settings.model_copy(update={"query_max_wait_ms": 60_000}), "serve")
    later = now_ms() + 240_000
    questions = [
        {"id": one, "query": f"who is a {TRADES[n % len(TRADES)]}?", "profile_id": one, "deadline_at": later}
        for n, one in enumerate(people)
    ]
    questions.append({"id": "empty", "query": "  ", "profile_id": people[0], "deadline_at": later})
    questions.append({"id": "late", "query": "who?", "profile_id": people[0], "deadline_at": 1})
    told = tmp_path / "told.json"
    told.write_text(
        json.dumps(
            {
                "bootstrap": settings.kafka_bootstrap,
                "requests": bus.topics.requests.name,
                "replies": bus.topics.replies.name,
                "registry": settings.schema_registry_url,
                "questions": questions,
            }
        )
    )
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
    done = subprocess.run(
        [require_java(), quiet, "-cp", java_client, "client.Asking", str(told)],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]

    by_way = Counter(line["way"] for line in lines)
    assert by_way == dict.fromkeys(WAYS, len(questions)) | {"no json": 1, "no avro": 1}
    answered = [line for line in lines if line["id"] in people]
    assert [line for line in answered if (line["status"], line["found"]) != ("ok", [line["id"]])] == []
    assert len(answered) == ASKED_AT_ONCE * len(WAYS)
    assert {line["header"] for line in answered} == {None}

    refused = {(line["way"], line["id"]): line for line in lines if line["id"] not in people}
    for way in WAYS:
        empty, late = refused[way, "empty"], refused[way, "late"]
        assert (empty["status"], empty["header"]) == ("bad_request", "bad_request")
        assert "empty" in empty["error"]
        assert (late["status"], late["header"]) == ("expired", "expired")
    for way in ("no json", "no avro"):
        assert refused[way, way]["status"] == refused[way, way]["header"] == "bad_request"

    fixed = {line["partition"] for line in lines if "reply partition" in line["way"]}
    assert fixed == {1}
    shared = {line["partition"] for line in lines if "shared topic" in line["way"]}
    assert shared == {0, 1}, "without a partition header Kafka chooses"
