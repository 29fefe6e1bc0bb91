"""A real Schema Registry: Apicurio, through its Confluent-compatible API, on loopback."""

from __future__ import annotations

from pathlib import Path

import httpx2

from kith.errors import PartFailed
from kith.services.broker import JVM
from kith.services.ports import LOOPBACK, listens

_API = "/apis/ccompat/v7"
_OK = 200
_ANSWER_S = 2.0


def prepare(java: str, unpacked: Path, data_dir: Path, port: int) -> list[str]:
    """The command that runs the registry, with its data in a file: ids stand in every record of the log.

    Raises:
        PartFailed: the unpacked folder holds no server.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    servers = sorted(unpacked.glob("*-runner.jar"))
    if not servers:
        raise PartFailed(f"{unpacked} holds no registry server.", "Remove that folder and start again.")
    properties = {
        "quarkus.http.host": LOOPBACK,
        "quarkus.http.port": str(port),
        "quarkus.log.level": "WARN",
        "quarkus.http.access-log.enabled": "false",
        "apicurio.storage.kind": "sql",
        "apicurio.storage.sql.kind": "h2",
        # A registered id is on disk before the answer: records that carry it may follow at once.
        "apicurio.datasource.url": f"jdbc:h2:file:{data_dir / 'registry'};WRITE_DELAY=0",
    }
    return [java, "-Xmx384m", *JVM, *(f"-D{key}={value}" for key, value in properties.items()), "-jar", str(servers[0])]


def url(port: int) -> str:
    """Where clients reach it."""
    return f"http://{LOOPBACK}:{port}{_API}"


def is_ready(port: int) -> bool:
    """Whether it answers a question about schemas."""
    if not listens(port):
        return False
    try:
        return httpx2.get(f"{url(port)}/subjects", timeout=_ANSWER_S).status_code == _OK
    except httpx2.TransportError:
        return False
