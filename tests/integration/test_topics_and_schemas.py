import json

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from kith import wiring
from schemas.contracts import schema_text
from schemas.records import ProfileChange
from tests.kith_process import run


def test_applying_twice_changes_nothing_and_drift_is_shown_and_left(settings):
    own = settings.model_copy(update={"topic_prefix": f"{settings.topic_prefix}own."})
    changes = wiring.topics(own).changes
    admin = AdminClient(own.kafka_client())
    odd = NewTopic(changes.name, 3, 1, config={"cleanup.policy": "delete", "retention.ms": "1000"})
    admin.create_topics([odd])[changes.name].result(10)

    dry = run(own, "topics", "apply", "--dry-run", "--json")
    assert dry.returncode == 1
    others = {topic.name for topic in wiring.topics(own).all()} - {changes.name}
    assert set(json.loads(dry.stdout)["created"]) == others
    again = wiring.topic_admin(own).apply(wiring.topics(own).all(), dry_run=True).created
    assert set(again) == others, "nothing was made"

    first = run(own, "topics", "apply", "--json")
    second = run(own, "topics", "apply")
    assert first.returncode == second.returncode == 1
    found = {(one["setting"], one["found"]) for one in json.loads(first.stdout)["drift"]}
    assert {("partitions", "3"), ("retention.ms", "1000")} <= found
    assert f"differs  {changes.name}: retention.ms is 1000, declared {changes.retention_ms}" in second.stdout
    assert wiring.topic_admin(own).partitions_held()[changes.name] == 3


def test_topics_as_declared_are_no_finding(settings):
    done = run(settings, "topics", "apply")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("exists") == len(wiring.topics(settings).all())


def test_an_incompatible_contract_is_refused_with_the_field(settings):
    registered = run(settings, "schemas", "register", "--json")
    subject = wiring.topics(settings).changes.subject
    assert subject in json.loads(registered.stdout)
    client = SchemaRegistryClient({"url": settings.schema_registry_url})
    broken = json.loads(schema_text(ProfileChange))
    broken["fields"].append({"name": "must_have", "type": "string"})
    with pytest.raises(SchemaRegistryError, match="must_have") as refused:
        client.register_schema(subject, Schema(json.dumps(broken), "AVRO"))
    assert refused.value.http_status_code == 409
    client.close()
