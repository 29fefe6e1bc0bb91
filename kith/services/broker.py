"""A real Apache Kafka broker: one node, KRaft mode, on loopback."""

from __future__ import annotations

import base64
import subprocess
import uuid
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from kith.errors import PartFailed
from kith.services.ports import LOOPBACK, listens

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
# One node holds every internal topic.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# A consumer that joins starts at once.
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=4
# The default takes 128 MB of a laptop for compaction.
log.cleaner.dedupe.buffer.size=8388608
"""

# A short-lived, small broker: a quick start counts for more than peak throughput.
JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true")
_ANSWER_S = 2.0
_HEAP = ("-Xms128m", "-Xmx512m")
_LOG = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true")


def prepare(java: str, jars: Path, data_dir: Path, port: int, controller_port: int) -> list[str]:
    """Write the configuration, format the data folder the first time, and return the command that runs the broker.

    Raises:
        PartFailed: the data folder cannot be formatted.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    config = data_dir.parent / "server.properties"
    logs = data_dir / "logs"
    config.write_text(_PROPERTIES.format(host=LOOPBACK, port=port, controller_port=controller_port, data=logs))
    classpath = ["-cp", f"{jars}/*"]
    if not (logs / "meta.properties").is_file():
        cluster_id = _cluster_id()
        command = [java, *JVM, *_LOG, *classpath, "kafka.tools.StorageTool", "format"]
        done = subprocess.run(  # noqa: S603 - the arguments are ours
            [*command, "-t", cluster_id, "-c", str(config)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise PartFailed(f"Kafka cannot format {logs}: {' '.join(last)}", "Check the folder's rights and space.")
    return [java, *_HEAP, *JVM, *_LOG, *classpath, "kafka.Kafka", str(config)]


def _cluster_id() -> str:
    while True:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # The tool would take a leading dash for an option.
        if not cluster_id.startswith("-"):
            return cluster_id


def bootstrap(port: int) -> str:
    """Where clients reach it."""
    return f"{LOOPBACK}:{port}"


def is_ready(port: int) -> bool:
    """Whether the broker answers a metadata request, which an open port alone does not show."""
    if not listens(port):
        return False
    try:
        client = AdminClient({"bootstrap.servers": bootstrap(port), "socket.timeout.ms": 1000, "log_level": 0})
        return bool(client.list_topics(timeout=_ANSWER_S).brokers)
    except KafkaException:
        return False
