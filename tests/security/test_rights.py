"""Each process gets along with the rights of its role, and a user gets nothing beyond them."""

from __future__ import annotations

import json
import socket

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import (
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from kith import wiring
from kith.settings import Settings
from schemas import headers
from schemas.access import Role
from tests.kith_process import one_line_error, run
from tests.security.conftest import GUEST, NOBODY, OPERATOR, ROLES, SHOP, SHOP_GROUP, SHOP_REPLIES
from tests.security.secured_broker import ADMIN
from tests.waiting import wait_until

PEOPLE = [
    {"profile_id": "oncologist", "name": "Ada Example", "headline": "Medical oncologist, tumours and chemotherapy"},
    {"profile_id": "roofer", "name": "Ben Example", "headline": "Roofer. Slate, tiles, flashing and gutters"},
    {"profile_id": "baker", "name": "Cleo Example", "headline": "Artisan baker, sourdough and croissants"},
]
# First byte of what a TLS server says to whoever speaks something else (RFC 8446, section 5.1).
_TLS_ALERT = 21
KEY_PASSWORD = "key-password-4711"
QUESTION = "who knows about treating cancer?"


@pytest.fixture
def running(secured, worker, tmp_path, own_state):
    """Indexer and query consumer over three people, each as a user with the rights of its role."""
    index = worker(secured.of("indexer", **own_state, log_level="debug"), "index")
    people = tmp_path / "people.jsonl"
    people.write_text("".join(json.dumps(one) + "\n" for one in PEOPLE))
    secured.kith(secured.of("source"), "produce", str(people))
    serve = worker(secured.of("query", **own_state, log_level="debug"), "serve")
    client = secured.of("client")
    found = wait_until(
        lambda: run(client, "search", QUESTION, "--json").stdout,
        lambda said: said.count('"profile_id"') == len(PEOPLE),
    )
    return index, serve, json.loads(found)


def test_the_whole_path_works_with_the_least_rights_and_shows_no_secret(secured, running, own_state):
    index, serve, found = running
    assert found["hits"][0]["profile_id"] == "oncologist"
    audit = secured.kith(secured.of(OPERATOR, **own_state), "audit")
    shown = run(secured.of("indexer"), "settings").stdout + run(secured.of("indexer"), "settings", "--json").stdout
    metrics = index.get("/metrics").text + serve.get("/readyz").text
    assert index.terminate() == serve.terminate() == 0, index.log.read_text() + serve.log.read_text()
    logs = index.log.read_text() + serve.log.read_text()
    assert "AuthorizationFailed" not in logs
    assert "authorization failed" not in logs
    said = logs + audit + shown + metrics
    assert [one for one in secured.secrets if one in said] == []


def test_what_is_granted_on_the_broker_is_what_is_declared_and_no_more(secured):
    everything = AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
    )
    admin = AdminClient(secured.of(ADMIN).kafka_client())
    granted = admin.describe_acls(everything).result(10)
    found = {
        (one.principal, one.restype.name, one.name, one.resource_pattern_type.name, one.operation.name)
        for one in granted
        if one.principal.removeprefix("User:") in {*ROLES, OPERATOR, SHOP}
    }
    settings = secured.of(ADMIN)
    wanted = {
        f"User:{user}": wiring.rights(settings, role) for user, role in (ROLES | {OPERATOR: Role.OPERATOR}).items()
    }
    wanted[f"User:{SHOP}"] = wiring.rights(settings, Role.CLIENT, reply_topic=SHOP_REPLIES, group=SHOP_GROUP)
    assert found == {
        (user, one.resource.upper(), one.name, "PREFIXED" if one.prefixed else "LITERAL", one.operation.upper())
        for user, rights in wanted.items()
        for one in rights
    }


def test_a_service_with_a_reply_topic_of_its_own_is_answered_there_and_reads_nobody_elses(secured, running):
    admin = AdminClient(secured.of(OPERATOR).kafka_client())
    admin.create_topics([NewTopic(SHOP_REPLIES, 1, 1)])[SHOP_REPLIES].result(10)
    shop = secured.of(SHOP).kafka_client()
    consumer = Consumer(shop | {"group.id": SHOP_GROUP, "auto.offset.reset": "earliest", "log_level": 0})
    consumer.subscribe([SHOP_REPLIES])
    carried = [
        (headers.REPLY_TOPIC, SHOP_REPLIES.encode()),
        (headers.CORRELATION_ID, b"1"),
        (headers.CONTENT_TYPE, b"application/json"),
    ]
    producer = Producer(shop | {"log_level": 0})
    producer.produce("search.requests", json.dumps({"query": QUESTION}).encode(), headers=carried)
    assert producer.flush(10) == 0
    reply = wait_until(lambda: consumer.poll(1), lambda message: message is not None and message.error() is None)
    assert json.loads(reply.value())["hits"][0]["profile_id"] == "oncologist"
    consumer.close()

    for topic in ("search.replies", "search.requests", "profile.changes", "profile.receipts"):
        assert _read_refused(shop, topic) == KafkaError.TOPIC_AUTHORIZATION_FAILED, topic
    for topic in ("profile.changes", "search.replies", "search.rollouts", "search.dead-letters", SHOP_REPLIES):
        assert _write_refused(shop, topic) == KafkaError.TOPIC_AUTHORIZATION_FAILED, topic


def test_no_role_but_the_operators_writes_profile_changes_beside_the_source(secured):
    for user in set(ROLES) - {"source"}:
        written = _write_refused(secured.of(user).kafka_client(), "profile.changes")
        assert written == KafkaError.TOPIC_AUTHORIZATION_FAILED, user


def test_nobody_is_heard_without_tls_or_without_a_user(secured):
    plain = {"bootstrap.servers": secured.broker.bootstrap, "log_level": 0}
    tls = {"security.protocol": "SSL", "ssl.ca.location": str(secured.authority.ca_file)}
    for config in (plain, plain | tls):
        with pytest.raises(KafkaException):
            AdminClient(config).list_topics(timeout=3)
    host, port = secured.broker.bootstrap.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as bare:
        # ApiVersions, version 0, which a broker on plain text would answer with its own versions.
        bare.sendall(b"\x00\x00\x00\x0a\x00\x12\x00\x00\x00\x00\x00\x01\x00\x00")
        answer = bare.recv(1024)
    assert answer == b"" or answer[0] == _TLS_ALERT, answer


@pytest.mark.parametrize("way", ["PLAIN", "SCRAM-SHA-256", "certificate"])
def test_an_indexer_logs_in_in_each_other_way_with_all_of_its_clients(secured, worker, own_state, way):
    if way == "certificate":
        secured.grant("User:CN=indexer-1", Role.INDEXER)
        settings = secured.by_certificate("indexer-1", KEY_PASSWORD, **own_state)
    elif way == "PLAIN":
        ((name, password),) = secured.plain.items()
        secured.grant(f"User:{name}", Role.INDEXER)
        login = {"kafka_sasl_username": name, "kafka_sasl_password": password}
        settings = secured.of("indexer", kafka_sasl_mechanism=way, **login, **own_state)
    else:
        settings = secured.of("indexer", kafka_sasl_mechanism=way, **own_state)
    one = worker(settings, "index")
    assert one.terminate() == 0
    said = one.log.read_text() + run(settings, "settings").stdout
    assert [secret for secret in (*secured.secrets, KEY_PASSWORD) if secret in said] == []


def test_a_certificate_that_was_not_signed_here_is_one_line(secured):
    unknown = secured.stranger.identity("indexer-1")
    settings = secured.by_certificate(
        "x", kafka_ssl_certificate_file=unknown.certificate, kafka_ssl_key_file=unknown.key
    )
    done = run(settings, "topics", "apply")
    assert "is not reached over TLS" in one_line_error(done)
    assert done.returncode == 2


def _read_refused(config: dict[str, object], topic: str) -> int | None:
    consumer = Consumer(config | {"group.id": SHOP_GROUP, "enable.auto.commit": False, "log_level": 0})
    consumer.subscribe([topic])
    try:
        message = consumer.poll(20)
    finally:
        consumer.close()
    assert message is not None, f"nothing was said of {topic}"
    return None if message.error() is None else int(message.error().code())


def _write_refused(config: dict[str, object], topic: str) -> int | None:
    seen: list[KafkaError | None] = []
    producer = Producer(config | {"log_level": 0})
    try:
        producer.produce(topic, b"x", on_delivery=lambda error, _message: seen.append(error))
    except KafkaException as error:
        return int(error.args[0].code())
    producer.flush(10)
    return None if not seen or seen[0] is None else seen[0].code()


COMMANDS = [("topics", "apply"), ("index",), ("serve",), ("search", "who?"), ("produce", "--synthetic", "3")]


def _told(secured, settings: Settings, command: tuple[str, ...]) -> tuple[str, int]:
    done = run(settings, *command)
    assert [one for one in secured.secrets if one in done.stdout + done.stderr] == []
    return one_line_error(done), done.returncode


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_wrong_password_is_one_line_that_names_the_user(secured, own_state, command):
    wrong = "wrong-password-4711"
    said, code = _told(secured, secured.of("indexer", kafka_sasl_password=wrong, **own_state), command)
    assert "refuses the user indexer" in said
    assert "KITH_KAFKA_SASL_PASSWORD" in said
    assert wrong not in said
    assert code == 2


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_brokers_whose_certificate_is_not_trusted_are_one_line_with_the_setting(secured, own_state, command):
    said, code = _told(
        secured, secured.of("operator", kafka_ssl_ca_file=secured.stranger.ca_file, **own_state), command
    )
    assert "is not reached over TLS" in said
    assert "KITH_KAFKA_SSL_CA_FILE" in said
    assert code == 2


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_plain_text_is_one_line_with_the_setting(secured, own_state, command):
    plain = {
        name: value for name, value in secured.common.items() if not name.startswith("kafka_") or "bootstrap" in name
    }
    said, code = _told(secured, Settings(**plain | own_state), command)
    assert "KITH_KAFKA_SECURITY_PROTOCOL" in said
    assert code == 2


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_user_without_any_right_is_told_so_in_one_line(secured, own_state, command):
    said, code = _told(secured, secured.of(NOBODY, **own_state), command)
    assert "kith topics acls" in said or "uthorization" in said
    assert code in (2, 3)


def test_each_right_that_a_process_lacks_is_named(secured, own_state):
    said, code = _told(secured, secured.of("source", **own_state), ("index",))
    assert "read topic profile.changes, " in said
    assert "write topic profile.receipts, " in said
    assert "read group kith-indexer-student-v1" in said
    assert "write topic profile.changes" not in said
    assert "`kith topics acls --role indexer`" in said
    assert code == 2


@pytest.mark.parametrize(("command", "role"), [("index", Role.INDEXER), ("serve", Role.QUERY)])
def test_a_group_that_may_be_described_and_not_joined_is_one_line(secured, own_state, command, role):
    settings = secured.of(ADMIN)
    rights = [one for one in wiring.rights(settings, role) if (one.resource, one.operation) != ("group", "read")]
    wiring.access_admin(settings).grant(f"User:{GUEST}", rights)
    said, code = _told(secured, secured.of(GUEST, **own_state), (command,))
    assert "read group kith-" in said
    assert code == 2


def test_a_registry_that_is_not_trusted_or_refuses_the_user_is_one_line(secured):
    said, code = _told(
        secured, secured.of(OPERATOR, schema_registry_ca_file=secured.stranger.ca_file), ("schemas", "register")
    )
    assert "KITH_SCHEMA_REGISTRY_CA_FILE" in said
    assert code == 3
    said, code = _told(secured, secured.of(OPERATOR, schema_registry_password="wrong-4711"), ("schemas", "register"))
    assert "refuses this user (401)" in said
    assert "wrong-4711" not in said
    assert code == 3


def test_a_milvus_that_is_not_trusted_or_refuses_the_token_is_one_line(secured, own_state):
    said, code = _told(secured, secured.of("indexer", milvus_ca_file=secured.stranger.ca_file, **own_state), ("index",))
    assert "KITH_MILVUS_CA_FILE" in said
    assert code == 2
    said, code = _told(secured, secured.of("indexer", milvus_token="root:wrong-4711", **own_state), ("index",))
    assert "KITH_MILVUS_TOKEN" in said
    assert "wrong-4711" not in said
    assert code == 2
