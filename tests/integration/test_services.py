"""The real parts, each killed or stopped and started again. On a stack of its own: the shared one must keep running."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError
from pymilvus import DataType, MilvusClient

from kith.errors import PartFailed
from kith.services.local_stack import PARTS, Endpoints, LocalStack, WantedPorts
from kith.services.ports import is_free

_PARTS_DIR = Path(__file__).resolve().parents[2] / ".kith" / "parts"
_ONE_FIELD = '{"type":"record","name":"V","fields":[{"name":"a","type":"string"}]}'
_TWO_FIELDS = (
    '{"type":"record","name":"V","fields":[{"name":"a","type":"string"},{"name":"b","type":"string","default":""}]}'
)
_NO_DEFAULT = '{"type":"record","name":"V","fields":[{"name":"a","type":"string"},{"name":"b","type":"string"}]}'
_TIMEOUT_S = 10.0


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalStack, Endpoints]]:
    local = LocalStack(tmp_path_factory.mktemp("services"), _PARTS_DIR)
    try:
        yield local, local.start()
    finally:  # a part that did not start leaves the others running
        pids = _pids(local)
        local.stop([*reversed(PARTS)])
    assert not [pid for pid in pids.values() if psutil.pid_exists(pid)]
    assert {child.state for child in local.status(PARTS)} == {"absent"}


def _pids(local: LocalStack) -> dict[str, int]:
    return {child.name: child.pid for child in local.status(PARTS) if child.pid is not None}


def _kill(local: LocalStack, name: str) -> None:
    process = psutil.Process(_pids(local)[name])
    process.kill()
    process.wait(_TIMEOUT_S)
    assert [part.state for part in local.status([name])] == ["ended"]


def _restarted(local: LocalStack, name: str, endpoints: Endpoints) -> None:
    """Start again, and check that only this part is another process, and that all are where they were."""
    before = _pids(local)
    assert local.start() == endpoints
    after = _pids(local)
    assert [part for part in PARTS if before.get(part) != after[part]] == [name]


def _read_one(bootstrap: str, topic: str) -> tuple[bytes, bytes]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"read-{topic}", "auto.offset.reset": "earliest"})
    try:
        consumer.subscribe([topic])
        (message,) = consumer.consume(1, timeout=_TIMEOUT_S)
        assert message.error() is None
        return message.key(), message.value()
    finally:
        consumer.close()


def test_parts_run_and_listen_on_loopback_only(own):
    local, _ = own
    for child in local.status(PARTS):
        assert child.state == "running"
        assert child.memory_mib > 0
        listening = [c.laddr.ip for c in psutil.Process(child.pid).net_connections("tcp") if c.status == "LISTEN"]
        assert listening
        assert all(address.endswith("127.0.0.1") for address in listening), listening


def test_record_is_still_there_after_the_broker_was_stopped_and_started(own):
    local, endpoints = own
    admin = AdminClient({"bootstrap.servers": endpoints.kafka_bootstrap})
    admin.create_topics([NewTopic("kept", num_partitions=1, replication_factor=1)])["kept"].result(_TIMEOUT_S)
    producer = Producer({"bootstrap.servers": endpoints.kafka_bootstrap})
    producer.produce("kept", key=b"k", value=b"v")
    assert producer.flush(_TIMEOUT_S) == 0
    assert _read_one(endpoints.kafka_bootstrap, "kept") == (b"k", b"v")

    assert local.stop(["kafka"]) == ["kafka"]
    _restarted(local, "kafka", endpoints)

    producer.produce("kept", key=b"k2", value=b"v2")
    assert producer.flush(_TIMEOUT_S) == 0  # the port is the same, so a client of before goes on
    reader = Consumer(
        {"bootstrap.servers": endpoints.kafka_bootstrap, "group.id": "x", "auto.offset.reset": "earliest"}
    )
    reader.subscribe(["kept"])
    assert [m.value() for m in reader.consume(2, timeout=_TIMEOUT_S)] == [b"v", b"v2"]
    reader.close()


def test_topic_that_nobody_created_does_not_appear(own):
    _, endpoints = own
    admin = AdminClient({"bootstrap.servers": endpoints.kafka_bootstrap})
    admin.list_topics("nobody-made-this", timeout=_TIMEOUT_S)
    assert "nobody-made-this" not in admin.list_topics(timeout=_TIMEOUT_S).topics


def test_schema_ids_survive_a_killed_registry(own):
    local, endpoints = own
    with SchemaRegistryClient({"url": endpoints.schema_registry_url}) as client:
        client.set_compatibility("v-value", "BACKWARD_TRANSITIVE")
        texts = {client.register_schema("v-value", Schema(text, "AVRO")): text for text in (_ONE_FIELD, _TWO_FIELDS)}
    _kill(local, "registry")
    _restarted(local, "registry", endpoints)

    assert len(texts) == 2
    with SchemaRegistryClient({"url": endpoints.schema_registry_url}) as again:
        assert {schema_id: again.get_schema(schema_id).schema_str for schema_id in texts} == texts
        assert again.register_schema("v-value", Schema(_TWO_FIELDS, "AVRO")) == max(texts)
        assert again.get_compatibility("v-value") == "BACKWARD_TRANSITIVE"
        # Readable with the latest version, not with the first: only the transitive rule refuses it.
        assert again.test_compatibility("v-value", Schema(_NO_DEFAULT, "AVRO"))
        assert not again.test_compatibility("v-value", Schema(_NO_DEFAULT, "AVRO"), 1)
        with pytest.raises(SchemaRegistryError) as refused:
            again.register_schema("v-value", Schema(_NO_DEFAULT, "AVRO"))
        assert refused.value.http_status_code == 409


def test_row_survives_a_killed_milvus(own):
    local, endpoints = own
    client = MilvusClient(uri=endpoints.milvus_uri, timeout=_TIMEOUT_S, dedicated=True)
    schema = client.create_schema()
    schema.add_field("id", DataType.VARCHAR, max_length=16, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
    index = client.prepare_index_params()
    index.add_index("vector", index_type="FLAT", metric_type="COSINE")
    client.create_collection("kept", schema=schema, index_params=index, timeout=_TIMEOUT_S)
    client.upsert("kept", [{"id": "a", "vector": [1.0, 0.0, 0.0, 0.0]}], timeout=_TIMEOUT_S)
    client.close()
    _kill(local, "milvus")
    _restarted(local, "milvus", endpoints)

    again = MilvusClient(uri=endpoints.milvus_uri, timeout=_TIMEOUT_S, dedicated=True)
    again.load_collection("kept", timeout=_TIMEOUT_S)  # a restarted Milvus Lite has every collection released
    assert [row["id"] for row in again.get("kept", ids=["a"], output_fields=["id"], timeout=_TIMEOUT_S)] == ["a"]
    again.close()


def test_start_of_what_runs_changes_nothing(own):
    local, endpoints = own
    before = _pids(local)
    assert local.start() == endpoints
    assert _pids(local) == before


def test_other_port_for_a_running_part_is_refused(own, tmp_path):
    local, endpoints = own
    state_dir = Path(local.status(["kafka"])[0].log_file).parents[1]
    running = int(endpoints.kafka_bootstrap.rpartition(":")[2])
    with pytest.raises(PartFailed, match=f"kafka runs on port {running} and KITH_KAFKA_PORT asks for {running + 1}"):
        LocalStack(state_dir, _PARTS_DIR, WantedPorts(kafka=running + 1)).start()


def test_port_that_is_taken_names_the_setting_and_starts_nothing(own, tmp_path):
    _, endpoints = own
    taken = int(endpoints.milvus_uri.rpartition(":")[2])
    local = LocalStack(tmp_path, _PARTS_DIR, WantedPorts(milvus=taken))
    with pytest.raises(PartFailed, match=f"Port {taken} is taken by .*KITH_MILVUS_PORT"):
        local.start()
    assert _pids(local) == {}


def test_broker_that_cannot_read_its_data_is_told_with_its_log(tmp_path):
    local = LocalStack(tmp_path, _PARTS_DIR, external=["registry", "milvus"])
    damaged = tmp_path / "data" / "kafka" / "logs" / "meta.properties"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("version=1\nnode.id=7\n")  # no cluster.id
    with pytest.raises(PartFailed) as failed:
        local.start()
    assert failed.value.message.startswith("kafka ended while starting: ")
    assert "meta.properties" in failed.value.message
    assert str(tmp_path / "logs" / "kafka.log") in failed.value.hint
    assert [child.state for child in local.status(["kafka"])] == ["ended"]
    assert is_free(int((tmp_path / "ports" / "kafka").read_text()))
