"""Records by writers without our code: other versions of the contract, another client, Apache Avro itself."""

import importlib.resources
import io
import json
from collections import Counter
from datetime import UTC, datetime

import avro.datafile
import avro.io
import avro.schema
import fastavro
import pytest
from avro.test import gen_interop_data
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from kith import wiring
from schemas.codec import HEADER, MAGIC
from schemas.contracts import schema_text
from schemas.records import DeadLetter, Outcome, ProfileChange
from streams.clock import now_ms
from streams.publisher import Outgoing
from tests.integration.accounting import audited, wait_settled
from tests.kith_process import ROOT, one_line_error, run

V1 = (ROOT / "schemas" / "history" / "profile_change.v1.avsc").read_text()
NOT_AVRO = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}
PROFILE = {
    "name": "Name",
    "headline": "Gardener",
    "skills": [],
    "languages": [],
    "experience": [],
    "education": [],
}


def extended():
    """The contract of tomorrow: two more optional fields, one of them first."""
    schema = json.loads(schema_text(ProfileChange))
    schema["fields"].insert(0, {"name": "tenant", "type": ["null", "string"], "default": None})
    schema["fields"].append({"name": "badges", "type": {"type": "array", "items": "string"}, "default": []})
    return json.dumps(schema)


def optional(schema, carried):
    """A mapping of all fields of a record schema, with the defaults for those that are not carried."""
    return {f["name"]: carried.get(f["name"], f.get("default")) for f in schema["fields"]}


def change(schema_json, profile_id, **carried):
    schema = json.loads(schema_json)
    profile = next(
        kind
        for field in schema["fields"]
        if field["name"] == "profile"
        for kind in field["type"]
        if isinstance(kind, dict)
    )
    fields = {"profile_id": profile_id, "version": 1, "occurred_at": now_ms(), "operation": "UPSERT"}
    return optional(schema, fields | {"profile": optional(profile, PROFILE)} | carried)


@pytest.fixture
def registry(settings):
    client = SchemaRegistryClient({"url": settings.schema_registry_url})
    yield client
    client.close()


@pytest.fixture
def written(registry, bus):
    """What the serializer of another client makes of a change."""

    def write(schema_json, profile_id, **carried):
        serializer = AvroSerializer(registry, schema_json)
        context = SerializationContext(bus.topics.changes.name, MessageField.VALUE)
        return serializer(change(schema_json, profile_id, **carried), context)

    return write


def test_writers_of_three_versions_side_by_side_are_all_read(settings, worker, bus, written, held):
    topic = bus.topics.changes.name
    writers = {"v1": V1, "now": schema_text(ProfileChange), "next": extended()}
    values = {
        f"{name}-{number}": written(schema, f"{name}-{number}", **({"badges": ["new"]} if name == "next" else {}))
        for number in range(5)
        for name, schema in writers.items()
    }
    assert len({value[1:5] for value in values.values()}) == 3
    worker(settings, "index")
    bus.send(*(Outgoing(topic, key.encode(), value) for key, value in values.items()))
    wait_settled(settings)
    assert audited(settings).outcomes == {Outcome.INDEXED: 15}
    assert held() == 15


def test_a_reader_of_the_first_version_reads_what_the_next_one_writes(bus, registry, written):
    value = written(extended(), "p1", badges=["new"])
    writer = json.loads(registry.get_schema(HEADER.unpack_from(value)[1]).schema_str)
    read = fastavro.schemaless_reader(
        io.BytesIO(value[HEADER.size :]), fastavro.parse_schema(writer), fastavro.parse_schema(json.loads(V1))
    )
    assert (read["profile_id"], read["profile"]["headline"]) == ("p1", "Gardener")
    assert "badges" not in read


def test_a_schema_that_the_present_reader_could_not_read_is_refused_with_the_field(settings, bus, registry):
    assert run(settings, "schemas", "register").returncode == 0
    schema = json.loads(schema_text(ProfileChange))
    schema["fields"].append({"name": "badges", "type": "string"})
    with pytest.raises(SchemaRegistryError, match="badges") as refused:
        registry.register_schema(bus.topics.changes.subject, Schema(json.dumps(schema), "AVRO"))
    assert refused.value.http_status_code == 409


def test_our_contract_is_refused_with_the_field_where_another_one_came_first(settings, registry):
    settings = settings.model_copy(update={"topic_prefix": f"{settings.topic_prefix}taken."})
    subject = wiring.topics(settings).changes.subject
    schema = json.loads(schema_text(ProfileChange))
    next(field for field in schema["fields"] if field["name"] == "version")["type"] = "string"
    registry.register_schema(subject, Schema(json.dumps(schema), "AVRO"))
    refused = run(settings, "schemas", "register")
    assert refused.returncode == 2
    line = one_line_error(refused)
    assert subject in line
    assert "version:" in line


def interop():
    """Apache Avro's interoperability schema and datum, as its own generator writes them."""
    text = importlib.resources.files("avro").joinpath("interop.avsc").read_text()
    schema = avro.schema.parse(text)
    body = io.BytesIO()
    avro.io.DatumWriter(schema).write(gen_interop_data.DATUM, avro.io.BinaryEncoder(body))
    containers = {
        codec: gen_interop_data.gen_data(codec, avro.io.DatumWriter(), schema)
        for codec in gen_interop_data.CODECS_TO_VALIDATE
    }
    return text, body.getvalue(), containers


def test_interoperability_data_of_apache_avro_is_dead_lettered_with_the_reason(settings, worker, bus, registry):
    text, body, containers = interop()
    foreign = HEADER.pack(MAGIC, registry.register_schema(f"{bus.topics.changes.name}-interop", Schema(text, "AVRO")))
    ours = HEADER.pack(MAGIC, registry.get_latest_version(bus.topics.changes.subject).schema_id)
    sent = {f"file-{codec}": value for codec, value in containers.items()}
    sent |= {"foreign": foreign + body, "mislabelled": ours + body}
    assert len(containers) >= 3

    worker(settings, "index")
    bus.send(*(Outgoing(bus.topics.changes.name, key.encode(), value) for key, value in sent.items()))
    wait_settled(settings)

    letters = {letter.key.decode(): letter for letter in bus.read_all(bus.topics.dead_letters, DeadLetter)}
    assert {key: letter.value for key, letter in letters.items()} == sent
    assert Counter(letter.stage for letter in letters.values()) == {"decode": len(sent)}
    assert all("magic byte" in letters[f"file-{codec}"].message for codec in containers)
    assert "org.apache.avro.Interop, not" in letters["foreign"].message
    assert "ProfileChange" in letters["mislabelled"].message
    assert audited(settings).exact


def test_a_record_that_apache_avro_wrote_itself_is_indexed(settings, worker, bus, registry, held):
    text = schema_text(ProfileChange)
    number = registry.get_latest_version(bus.topics.changes.subject).schema_id
    body = io.BytesIO()
    carried = change(text, "p1", occurred_at=datetime.now(UTC))
    avro.io.DatumWriter(avro.schema.parse(text)).write(carried, avro.io.BinaryEncoder(body))
    worker(settings, "index")
    bus.send(Outgoing(bus.topics.changes.name, b"p1", HEADER.pack(MAGIC, number) + body.getvalue()))
    wait_settled(settings)
    assert audited(settings).outcomes == {Outcome.INDEXED: 1}
    assert held() == 1


def test_schemas_that_are_not_avro_are_dead_lettered(settings, worker, bus, registry):
    number = registry.register_schema(f"{bus.topics.changes.name}-json", Schema(json.dumps(NOT_AVRO), "JSON"))
    worker(settings, "index")
    bus.send(Outgoing(bus.topics.changes.name, b"p1", HEADER.pack(MAGIC, number) + b"{}"))
    wait_settled(settings)
    (letter,) = bus.read_all(bus.topics.dead_letters, DeadLetter)
    assert f"Schema {number} is not an Avro schema" in letter.message
