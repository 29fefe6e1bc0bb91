"""Producing: a real client against librdkafka's own mock cluster, so that acknowledgements are real."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from kith.deadline import Deadline
from kith.errors import InputError, Unavailable
from schemas.codec import Codec
from schemas.records import Operation, Profile, ProfileChange
from schemas.topics import Topics
from streams.produce import ProduceStopped, Watch, encoded_bytes, examine, produce
from streams.publisher import Publisher
from streams.sources.detect import opened_profiles
from streams.sources.items import Parsed, Rejection, Stamps
from tests.fakes_bus import MemoryRegistry
from tests.recorded import recorded, traceparent

DATA = Path(__file__).parents[2] / "data" / "input"
LIMIT = 262_144
CLOSED_PORT = "127.0.0.1:9"


@pytest.fixture
def bootstrap() -> Iterator[str]:
    cluster = Producer({"bootstrap.servers": "", "test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = cluster.list_topics(timeout=10).brokers.values()
    yield f"{broker.host}:{broker.port}"
    cluster.flush(0)


@pytest.fixture
def codec() -> Codec:
    return Codec(MemoryRegistry())


def publisher(bootstrap: str) -> Publisher:
    return Publisher({"bootstrap.servers": bootstrap, "log_level": 0})


def from_file(path: Path) -> list[Parsed | Rejection]:
    with opened_profiles(path, Stamps()) as records:
        return list(records)


def made(count: int) -> Iterator[Parsed]:
    for number in range(1, count + 1):
        change = ProfileChange(f"p-{number}", 1, 1, Operation.UPSERT, profile=Profile(f"Name {number}"))
        yield Parsed(number, change, b"", number)


def arrived(bootstrap: str, topic: str, count: int) -> list[tuple[bytes, bytes]]:
    """Key and value of every record of a topic; waits for `count`, then for one more that should not be there."""
    found = []
    with closing(Consumer({"bootstrap.servers": bootstrap, "group.id": "look", "log_level": 0})) as consumer:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        deadline = Deadline.after(20)
        while len(found) < count and not deadline.expired():
            found += [(m.key(), m.value()) for m in consumer.consume(500, 0.2) if m.error() is None]
        found += [(m.key(), m.value()) for m in consumer.consume(1, 0.3) if m.error() is None]
    return found


def test_good_lines_arrive_once_under_their_key_and_bad_ones_are_told(bootstrap, codec):
    told: list[Rejection] = []
    report = produce(
        from_file(DATA / "mixed.jsonl"),
        publisher(bootstrap),
        codec,
        Topics(),
        max_record_bytes=LIMIT,
        watch=Watch(on_rejected=told.append),
    )
    assert (report.read, report.sent, report.rejected, report.unacknowledged) == (10, 4, 6, 0)
    reasons = {x.line: x.reason for x in report.rejections}
    assert reasons[5].startswith("name: control character U+0000 at character 4.")
    assert reasons[6].startswith("name: lone surrogate U+D800 at character 4.")
    assert sorted(reasons) == [2, 4, 5, 6, 8, 10]
    assert [(x.line, bool(x.original)) for x in told] == [(line, True) for line in (2, 4, 5, 6, 8, 10)]
    found = arrived(bootstrap, "profile.changes", 4)
    assert sorted(key for key, _ in found) == [b"p-1", b"p-2", b"p-6", b"p-8"]
    for key, value in found:
        assert codec.decode(value, ProfileChange).profile_id.encode() == key
    assert report.bytes == sum(len(value) for _, value in found)


def test_a_megabyte_is_rejected_by_its_size_and_the_next_is_sent(bootstrap, codec, tmp_path):
    file = tmp_path / "big.jsonl"
    file.write_text(
        '{"profile_id": "big", "name": "B", "summary": "%s"}\n{"profile_id": "next", "name": "N"}\n' % ("x" * 2**20)
    )
    report = produce(from_file(file), publisher(bootstrap), codec, Topics(), max_record_bytes=LIMIT)
    assert (report.sent, report.rejected) == (1, 1)
    assert "the longest field is summary (1,048,576 characters)" in report.rejections[0].reason
    assert [key for key, _ in arrived(bootstrap, "profile.changes", 1)] == [b"next"]


def test_more_than_may_be_in_flight_all_arrive(bootstrap, codec):
    seen: list[int] = []
    report = produce(
        made(12_000),
        publisher(bootstrap),
        codec,
        Topics("many."),
        max_record_bytes=LIMIT,
        watch=Watch(on_progress=lambda r: seen.append(r.sent)),
    )
    assert (report.sent, report.unacknowledged) == (12_000, 0)
    assert seen == sorted(seen)
    assert seen[-1] == 12_000
    assert len({key for key, _ in arrived(bootstrap, "many.profile.changes", 12_000)}) == 12_000


def test_the_rate_is_kept_without_drift(bootstrap, codec):
    started = time.monotonic()
    report = produce(made(101), publisher(bootstrap), codec, Topics(), max_record_bytes=LIMIT, rate=100)
    # 101 changes span 100 intervals of 10 ms, however long each send took.
    assert 0.99 <= time.monotonic() - started < 2.0
    assert report.sent == 101


def test_a_cluster_that_does_not_answer_ends_the_run_with_the_counts(codec):
    started = time.monotonic()
    with pytest.raises(ProduceStopped) as caught:
        produce(made(50), publisher(CLOSED_PORT), codec, Topics(), max_record_bytes=LIMIT, ack_timeout_s=1.0)
    assert time.monotonic() - started < 5
    assert isinstance(caught.value, Unavailable)
    report = caught.value.report
    assert (report.read, report.sent, report.unacknowledged, report.first_unacknowledged_line) == (50, 0, 50, 1)
    assert "0 changes were acknowledged, 50 may or may not have arrived, the first of them from line 1." in str(
        caught.value
    )
    assert "KITH_KAFKA_BOOTSTRAP" in caught.value.hint


def test_a_cluster_that_does_not_answer_ends_a_slow_run_too(codec):
    with pytest.raises(ProduceStopped) as caught:
        produce(made(1000), publisher(CLOSED_PORT), codec, Topics(), max_record_bytes=LIMIT, rate=5, ack_timeout_s=1.0)
    assert caught.value.report.read < 50


def test_a_registry_that_does_not_answer_ends_the_run_before_anything_is_sent(bootstrap):
    class Away(MemoryRegistry):
        def register(self, subject: str, kind: type) -> int:
            raise Unavailable("The registry is away.", "Start it.")

    with pytest.raises(ProduceStopped, match=r"The registry is away\. 0 changes were acknowledged, 0 may") as caught:
        produce(made(5), publisher(bootstrap), Codec(Away()), Topics(), max_record_bytes=LIMIT)
    assert (caught.value.report.sent, caught.value.report.unacknowledged) == (0, 0)


def test_a_refused_contract_is_no_rejected_record(bootstrap):
    class Refusing(MemoryRegistry):
        def register(self, subject: str, kind: type) -> int:
            raise InputError("The registry refuses the schema.")

    with pytest.raises(InputError, match="refuses the schema"):
        produce(made(5), publisher(bootstrap), Codec(Refusing()), Topics(), max_record_bytes=LIMIT)


def test_examining_sends_nothing_and_says_the_same(codec):
    valid: list[int] = []
    report = examine(
        from_file(DATA / "mixed.jsonl"), max_record_bytes=LIMIT, on_valid=lambda item: valid.append(item.line)
    )
    assert (report.read, report.sent, report.rejected) == (10, 4, 6)
    assert valid == [1, 3, 9, 11]


def test_the_size_that_is_examined_is_the_size_that_is_sent(codec):
    for item in made(3):
        assert encoded_bytes(item.change) == len(codec.encode("any-value", item.change))


def test_a_trace_begins_with_each_change_and_is_in_the_headers_of_its_record(bootstrap, codec):
    topics = Topics()
    with recorded() as seen:
        produce(made(2), publisher(bootstrap), codec, topics, max_record_bytes=LIMIT)
    with recorded(sample=0.0) as unseen:
        produce(made(1), publisher(bootstrap), codec, topics, max_record_bytes=LIMIT)
    assert unseen.spans == []
    produce(made(1), publisher(bootstrap), codec, topics, max_record_bytes=LIMIT)
    config = {"bootstrap.servers": bootstrap, "group.id": "look", "log_level": 0}
    with closing(Consumer(config)) as consumer:
        partitions = consumer.list_topics(topics.changes.name, timeout=10).topics[topics.changes.name].partitions
        consumer.assign([TopicPartition(topics.changes.name, number, OFFSET_BEGINNING) for number in partitions])
        deadline, found = Deadline.after(20), []
        while len(found) < 4 and not deadline.expired():
            found += [one.headers() for one in consumer.consume(4, 0.2) if one.error() is None]
    own = {traceparent(one).encode() for one in seen.spans}
    assert [(one.name, one.parent) for one in seen.spans] == [(f"send {topics.changes.name}", None)] * 2
    carried = [dict(one)["traceparent"] for one in found if one]
    assert (set(carried) >= own, len(own), len(carried)) == (True, 2, 3)
    assert [one[-3:] for one in carried if one not in own] == [b"-00"]
