"""Fixtures by name. Real parts are started once for the session, on free ports, and ended by process id."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from kith import settings as kith_settings
from kith import wiring
from kith.services.local_stack import PARTS, Endpoints, LocalStack
from kith.settings import Settings
from tests.milvus_servers import Standalone

ROOT = Path(__file__).resolve().parent.parent


# A time limit on an example would say something of the machine, not of the code.
hypothesis.settings.register_profile("kith", deadline=None)
hypothesis.settings.load_profile("kith")


@pytest.fixture(scope="session", autouse=True)
def no_settings_from_outside() -> None:
    """What the person running the tests has set must not reach them."""
    kith_settings.forget_environment()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    """Kafka, Schema Registry and Milvus Lite. A part that cannot start fails the tests that need it."""
    local = LocalStack(tmp_path_factory.mktemp("stack"), ROOT / ".kith" / "parts", say=print)
    try:
        yield local.start()
    finally:
        # What did start when another part did not is ended too.
        children = [local.processes.find(name) for name in PARTS]
        local.stop([*reversed(PARTS)])
    left = [child.name for child in children if child is not None and child.alive()]
    assert left == [], f"processes left behind: {left}"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--milvus-server", type=Path, help="run the index's contract on this milvus-server")


@pytest.fixture(scope="session")
def milvus_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Standalone | None]:
    """The server that was asked for on the command line."""
    program = request.config.getoption("--milvus-server")
    if program is None:
        yield None
        return
    server = Standalone(program.absolute(), tmp_path_factory.mktemp("standalone") / "data")
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def milvus_uri(request: pytest.FixtureRequest, milvus_server: Standalone | None) -> str:
    if milvus_server is not None:
        return milvus_server.uri
    stack: Endpoints = request.getfixturevalue("stack")
    return stack.milvus_uri


@pytest.fixture
def settings(stack: Endpoints, tmp_path: Path) -> Settings:
    """Settings of an installation of its own on the shared parts: topics, schemas and collection are there."""
    return installation_on(stack, tmp_path, partitions=2)


def installation_on(stack: Endpoints, folder: Path, **given: object) -> Settings:
    """An installation of its own on shared parts, with such settings; its state lies in the folder."""
    name = f"t{uuid.uuid4().hex[:8]}"
    shared: dict[str, object] = {
        "kafka_bootstrap": stack.kafka_bootstrap,
        "schema_registry_url": stack.schema_registry_url,
        "milvus_uri": stack.milvus_uri,
        "state_dir": folder / "state",
        "parts_dir": ROOT / ".kith" / "parts",
        "topic_prefix": f"{name}.",
        "collection_prefix": f"{name}_",
        "embed_threads": 1,
    }
    own = Settings.model_validate(shared | given)
    wiring.topic_admin(own).apply(wiring.topics(own).all())
    registry = wiring.registry(own)
    for topic in wiring.topics(own).all():
        registry.register(topic.subject, topic.kind)
    registry.close()
    index = wiring.index(own)
    wiring.live_collection(own, index)
    index.close()
    return own
