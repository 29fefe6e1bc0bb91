"""A real Kafka broker that lets nobody in without TLS and a user, and does nothing for a user without a right."""

from __future__ import annotations

import base64
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from kith.deadline import Deadline
from kith.services import jars
from kith.services.broker import JVM
from kith.services.ports import LOOPBACK, free_port
from kith.services.process import Child, ProcessTable, stop, wait_ready
from tests.conftest import ROOT
from tests.security.authority import Authority, Identity

ADMIN = "admin"

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=SASL_SSL://{host}:{sasl},MUTUAL://{host}:{mutual},CONTROLLER://{host}:{controller}
advertised.listeners=SASL_SSL://{host}:{sasl},MUTUAL://{host}:{mutual}
listener.security.protocol.map=SASL_SSL:SASL_SSL,MUTUAL:SSL,CONTROLLER:SSL
inter.broker.listener.name=MUTUAL
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:{admin};User:CN={broker_name}
ssl.keystore.type=PEM
ssl.keystore.location={identity}
ssl.truststore.type=PEM
ssl.truststore.location={ca}
listener.name.mutual.ssl.client.auth=required
listener.name.controller.ssl.client.auth=required
sasl.enabled.mechanisms=SCRAM-SHA-512,SCRAM-SHA-256,PLAIN
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={scram} required;
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config={scram} required;
listener.name.sasl_ssl.plain.sasl.jaas.config={plain} required {plain_users};
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=8388608
"""
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_BROKER = "broker"
_START_S = 90.0


@dataclass(frozen=True, slots=True)
class SecuredBroker:
    """A running one.

    Attributes:
        bootstrap: listener for users with passwords, over TLS.
        mutual: listener for users with certificates.
        users: password by name, SCRAM; `plain` is a user of the mechanism PLAIN.
    """

    bootstrap: str
    mutual: str
    users: Mapping[str, str]
    child: Child

    def stop(self) -> None:
        """End it."""
        stop(self.child, Deadline.after(20))
        assert not self.child.alive()


def start(folder: Path, authority: Authority, users: Mapping[str, str], plain: Mapping[str, str]) -> SecuredBroker:
    """Format its folder with the users, start it, and wait until it answers its administrator."""
    java, classpath = jars.require_java(), f"{jars.kafka_jars(ROOT / '.kith' / 'parts', print)}/*"
    ports: list[int] = []
    for _ in range(3):
        ports.append(free_port(ports))
    folder.mkdir(parents=True)
    config = folder / "server.properties"
    config.write_text(_properties(folder, authority.identity(_BROKER), authority.ca_file, ports, plain))
    log = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", classpath]
    scram = [
        argument
        for name, password in users.items()
        for mechanism in ("SCRAM-SHA-512", "SCRAM-SHA-256")
        for argument in ("--add-scram", f"{mechanism}=[name={name},password={password}]")
    ]
    done = subprocess.run(
        [java, *JVM, *log, "kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c", str(config), *scram],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    table = ProcessTable(folder / "state")
    child = table.start("secured-kafka", [java, "-Xmx384m", *JVM, *log, "kafka.Kafka", str(config)])
    broker = SecuredBroker(f"{LOOPBACK}:{ports[0]}", f"{LOOPBACK}:{ports[1]}", users, child)
    admin = {
        "bootstrap.servers": broker.bootstrap,
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": ADMIN,
        "sasl.password": users[ADMIN],
        "ssl.ca.location": str(authority.ca_file),
        "log_level": 0,
    }
    wait_ready(child, lambda: _answers(admin), Deadline.after(_START_S))
    return broker


def _properties(folder: Path, identity: Identity, ca: Path, ports: list[int], plain: Mapping[str, str]) -> str:
    return _PROPERTIES.format(
        host=LOOPBACK,
        sasl=ports[0],
        mutual=ports[1],
        controller=ports[2],
        data=folder / "logs",
        admin=ADMIN,
        broker_name=_BROKER,
        identity=identity.both,
        ca=ca,
        scram=_SCRAM,
        plain=_PLAIN,
        plain_users=" ".join(f'user_{name}="{password}"' for name, password in plain.items()),
    )


def _cluster_id() -> str:
    # The tool would take a leading dash for an option.
    return "k" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]


def _answers(config: Mapping[str, str]) -> bool:
    try:
        return bool(AdminClient({**config, "socket.timeout.ms": 1000}).list_topics(timeout=2.0).brokers)
    except KafkaException:
        return False
