"""Slower tests of the query service: many clients, many writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kith.services.local_stack import Endpoints
from kith.settings import Settings
from tests.conftest import installation_on
from tests.integration.bus import Bus
from tests.integration.conftest import worker
from tests.milvus_servers import Standalone

__all__ = ["worker"]


@pytest.fixture
def settings(stack: Endpoints, tmp_path: Path, milvus_server: Standalone | None) -> Settings:
    """Eight partitions, on the Milvus server where one was asked for, which a reader sees as it was written."""
    server = {} if milvus_server is None else {"milvus_uri": milvus_server.uri}
    return installation_on(stack, tmp_path, partitions=8, **server)


@pytest.fixture
def bus(settings: Settings) -> Iterator[Bus]:
    one = Bus(settings)
    yield one
    one.close()
