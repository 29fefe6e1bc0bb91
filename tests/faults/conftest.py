"""Parts of its own for each fault, and the table at the end."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from kith import wiring
from kith.services.local_stack import PARTS, LocalStack
from kith.settings import Settings
from tests.conftest import ROOT
from tests.faults.installation import Installation, Verdict

VERDICTS: list[Verdict] = []
SEED = random.SystemRandom().randrange(10**6)


@pytest.fixture(scope="session")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Parts that may be killed."""
    stack = LocalStack(tmp_path_factory.mktemp("faulty"), ROOT / ".kith" / "parts", say=print)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop([*reversed(PARTS)])


@pytest.fixture
def installation(own_stack: LocalStack, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Installation]:
    """A fresh installation on those parts; its indexers are ended."""
    parts = own_stack.start()
    name = f"f{uuid.uuid4().hex[:8]}"
    settings = Settings(
        kafka_bootstrap=parts.kafka_bootstrap,
        schema_registry_url=parts.schema_registry_url,
        milvus_uri=parts.milvus_uri,
        state_dir=tmp_path / "state",
        parts_dir=ROOT / ".kith" / "parts",
        topic_prefix=f"{name}.",
        collection_prefix=f"{name}_",
        partitions=3,
        embed_threads=1,
        retry_max_wait_s=2.0,
        batch_max_records=32,
    )
    wiring.topic_admin(settings).apply(wiring.topics(settings).all())
    registry = wiring.registry(settings)
    for topic in wiring.topics(settings).all():
        registry.register(topic.subject, topic.kind)
    registry.close()
    one = Installation(settings, own_stack, tmp_path, random.Random(f"{SEED}:{request.node.name}"))
    yield one
    for indexer in one.indexers:
        indexer.kill()


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table of faults."""
    if not VERDICTS:
        return
    terminalreporter.section(f"faults, seed {SEED}")
    terminalreporter.write_line(
        f"{'fault':36} {'times':>6} {'records':>8} {'lost':>5} {'stale':>6} {'set back':>9} {'flickered':>10} "
        f"{'receipts twice':>15} {'recovery, s':>12}"
    )
    for v in VERDICTS:
        terminalreporter.write_line(
            f"{v.fault:36} {v.times:6} {v.records:8} {v.lost:5} {v.stale:6} {v.set_back:9} {v.flickered:10} "
            f"{v.repeated_receipts:15} {v.recovery_s:12.1f}"
        )
