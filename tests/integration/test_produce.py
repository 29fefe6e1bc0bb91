"""`kith produce` onto a real broker and registry: good lines arrive once under their key, bad ones are reported."""

from __future__ import annotations

import json
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess, run

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from kith import wiring
from kith.deadline import Deadline
from schemas.codec import Codec
from schemas.records import Operation, Profile, ProfileChange
from streams.produce import produce
from streams.sources.items import Parsed, Stamps

DATA = Path(__file__).parents[1] / "data" / "input"
CLOSED_PORT = "127.0.0.1:9"


@pytest.fixture
def topics(settings):
    return wiring.topics(settings)


@pytest.fixture
def codec(settings):
    registry = wiring.registry(settings)
    yield Codec(registry)
    registry.close()


@pytest.fixture
def kith(settings, tmp_path):
    """Runs `kith` as a process of its own, in an empty folder."""

    def start(*arguments: object, **changed: str) -> CompletedProcess[str]:
        environment = {
            "KITH_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
            "KITH_SCHEMA_REGISTRY_URL": settings.schema_registry_url,
            "KITH_TOPIC_PREFIX": settings.topic_prefix,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "PYTHONUTF8": "1",
        } | changed
        command = [sys.executable, "-c", "from kith.cli import main; main()", "produce", *map(str, arguments)]
        return run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False)

    return start


def arrived(settings, topic: str, count: int) -> list[tuple[bytes, bytes]]:
    """Key and value of every record of a topic; waits for `count`, then for one more that should not be there."""
    found = []
    with closing(Consumer(settings.kafka_client() | {"group.id": f"{settings.topic_prefix}look"})) as consumer:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        deadline = Deadline.after(30)
        while len(found) < count and not deadline.expired():
            found += [(m.key(), m.value()) for m in consumer.consume(500, 0.2) if m.error() is None]
        found += [(m.key(), m.value()) for m in consumer.consume(1, 1.0) if m.error() is None]
    return found


def test_good_lines_arrive_once_and_bad_ones_are_reported(kith, settings, topics, codec, tmp_path):
    lines = (DATA / "mixed.jsonl").read_text(encoding="utf-8").splitlines()
    lines += [json.dumps({"profile_id": "big", "name": "B", "summary": "x" * 2**20})]
    lines += [json.dumps({"profile_id": "after-big", "name": "A"})]
    file = tmp_path / "people.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")

    done = kith(file, "--rejected", tmp_path / "rejected.jsonl")

    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    rejected = [json.loads(line) for line in (tmp_path / "rejected.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [entry["line"] for entry in rejected] == [2, 4, 5, 6, 8, 10, 12]
    assert all(f"line {entry['line']}: {entry['reason']}" in done.stdout for entry in rejected)
    assert "the longest field is summary (1,048,576 characters)" in rejected[-1]["reason"]
    assert "sent 5 of 12, rejected 7;" in done.stdout
    found = arrived(settings, topics.changes.name, 5)
    assert Counter(key for key, _ in found) == Counter([b"p-1", b"p-2", b"p-6", b"p-8", b"after-big"])
    for key, value in found:
        assert codec.decode(value, ProfileChange).profile_id.encode() == key


def test_thousands_of_profiles_arrive_whatever_the_batches_hold(settings, topics, codec):
    # Text that hardly compresses, so that a batch of the client's default size is above the topic's limit.
    def made():
        stamps = Stamps()
        for number in range(1, 6001):
            text = "".join(chr(0x4E00 + (number * 7919 + i * i * 31) % 20000) for i in range(400))
            change = ProfileChange(
                f"p-{number}", stamps.version(f"p-{number}"), 1, Operation.UPSERT, profile=Profile("N", summary=text)
            )
            yield Parsed(number, change, b"", number)

    report = produce(
        made(),
        wiring.publisher(settings),
        codec,
        topics,
        max_record_bytes=settings.max_record_bytes,
    )

    assert (report.sent, report.rejected, report.unacknowledged) == (6000, 0, 0), report.rejections[:1]
    assert len({key for key, _ in arrived(settings, topics.changes.name, 6000)}) == 6000


def test_made_profiles_are_sent(kith, settings, topics):
    done = kith("--synthetic", 200, "--seed", 3, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["sent"] == 200
    assert len(arrived(settings, topics.changes.name, 200)) == 200


def test_a_broker_that_does_not_answer_is_exit_code_3(kith):
    done = kith(DATA / "mixed.jsonl", KITH_KAFKA_BOOTSTRAP=CLOSED_PORT)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(f"kith: Kafka at {CLOSED_PORT} does not answer")
    assert len(done.stderr.splitlines()) == 1


def test_a_registry_that_does_not_answer_is_exit_code_3(kith):
    done = kith(DATA / "mixed.jsonl", KITH_SCHEMA_REGISTRY_URL=f"http://{CLOSED_PORT}")
    assert done.returncode == 3
    assert "The Schema Registry at http://127.0.0.1:9 does not answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_topic_is_named_before_anything_is_read(kith):
    done = kith(DATA / "mixed.jsonl", KITH_TOPIC_PREFIX="nobody-made-this.")
    assert done.returncode == 2
    assert "The topic nobody-made-this.profile.changes is not on the cluster" in done.stderr
    assert "Run `kith topics apply`" in done.stderr
