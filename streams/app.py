"""The Faust application of the indexer, built from plain values; importing this starts nothing."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import faust
from faust.tables import TableManager
from faust.types import EventT
from mode.utils.queues import FlowControlEvent

from kith import metrics
from streams.ahead import Decided
from streams.continuity import Continuity
from streams.delivery import BatchStream, BytesSchema, DirectConsumer
from streams.incoming import Incoming, Place
from streams.index_profiles import ProfileIndexing, stop_on_failure
from streams.record_spans import taken
from streams.state_store import SCHEME, ReadChangelog, StateStore

_DoneT = TypeVar("_DoneT")

# Faust's own defaults assume one event at a time; the reasons are in docs/decisions/0004-faust-semantics.md.
_SESSION_TIMEOUT_S = 10.0
# Members hear of a rebalance by their next heartbeat: the rarer, the longer partitions stand still.
_HEARTBEAT_S = 1.0
_COMMIT_INTERVAL_S = 0.5
_COMMIT_EVERY = 10_000
# As Faust has it for changelogs: they are read in one go.
_CHANGELOG_BUFFER = 131_072


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """What the application needs to know of the cluster and of its batches.

    Attributes:
        group: consumer group; also Faust's application id.
        bootstrap: host:port[,host:port].
        data_dir: folder for what Faust keeps on disk.
        input_topics: all with as many partitions, and keyed alike.
        bulk_topic: the one among them that gives way to the others.
        credentials: Faust's credentials object for SASL or SSL; None for plain text.
        partitions: of the input, and so of the table.
        state_topic: changelog of the table.
        max_records, wait_ms: bounds of a micro-batch.
        max_poll_s: longest time without a fetch before the group takes the partitions away, seconds.
    """

    group: str
    bootstrap: str
    data_dir: Path
    input_topics: tuple[str, ...]
    bulk_topic: str
    state_topic: str
    partitions: int
    credentials: Any
    max_records: int
    wait_ms: int
    max_poll_s: float


class _Flow(FlowControlEvent):
    """Lets the streams go on with what was delivered to them.

    Faust's own throws that away whenever it resumes, and it resumes once more after it sought and fetched: what was
    delivered in between was lost (docs/decisions/0004-faust-semantics.md). It is thrown away when partitions are
    revoked, which is asked for by name.
    """

    def resume(self) -> None:
        self._suspend.clear()
        self._resume.set()


class _Tables(TableManager):
    """Starts at once, for every table is declared by then; Faust's own waits a second for more."""

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()


def build_app(
    config: StreamConfig,
    indexing: Callable[[StateStore], ProfileIndexing],
    continuity: Continuity,
    gives_way: Callable[[], Awaitable[None]],
    read_changelog: ReadChangelog,
) -> tuple[faust.App, Pipeline]:
    """The application with its one agent, and the pipeline that the agent feeds.

    Args:
        read_changelog: how the table catches up when a partition is assigned.
        indexing: what is done, given the table that Faust restores whenever a partition is assigned.
        gives_way: awaited before each batch.

    The agent takes micro-batches without acknowledging them: a batch is acknowledged record by record
    once its effects stand. Values stay raw, because a decoding error inside Faust would be acknowledged and lost.
    """
    app = faust.App(
        config.group,
        broker=[f"kafka://{server.strip()}" for server in config.bootstrap.split(",")],
        broker_credentials=config.credentials,
        broker_session_timeout=_SESSION_TIMEOUT_S,
        broker_heartbeat_interval=_HEARTBEAT_S,
        broker_commit_interval=_COMMIT_INTERVAL_S,
        broker_commit_every=_COMMIT_EVERY,
        broker_max_poll_interval=config.max_poll_s,
        consumer_auto_offset_reset="earliest",
        stream_buffer_maxsize=max(512, 2 * config.max_records),
        stream_wait_empty=True,
        topic_allow_declare=False,
        topic_disable_leader=True,
        store=f"{SCHEME}://disk",
        datadir=config.data_dir,
        web_enabled=False,
        autodiscover=False,
        TableManager=_Tables,
        Stream=BatchStream,
    )
    cast(Any, app.transport).Consumer = DirectConsumer
    app.flow_control = _Flow(loop=app.loop)
    topic = app.topic(*config.input_topics, schema=BytesSchema())
    pipeline = Pipeline(indexing(_table(app, config, read_changelog)), continuity, config.bulk_topic, gives_way)

    async def forget(*_: Any, **__: Any) -> None:
        # A member without partitions would go on fetching, and all that it asks next waits for a fetch to time out.
        app.consumer.stop_flow()
        pipeline.forget()

    app.on_partitions_revoked.connect(forget)

    async def index_profiles(stream: Any) -> None:
        async for events in stream.batches(config.max_records, config.wait_ms / 1000):
            await pipeline.accept(events)

    app.agent(topic, name=f"{config.group}.index_profiles", concurrency=1)(index_profiles)
    return app, pipeline


def _table(app: faust.App, config: StreamConfig, read_changelog: ReadChangelog) -> StateStore:
    """The table; its changelog is written by the effects, and only read again by Faust."""
    schema: faust.Schema[bytes, bytes] = faust.Schema(
        key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
    )
    changelog = app.topic(
        config.state_topic,
        schema=schema,
        partitions=config.partitions,
        compacting=True,
        acks=False,
        internal=True,
        allow_empty=True,
        maxsize=_CHANGELOG_BUFFER,
    )
    table = app.Table("profiles", schema=schema, partitions=config.partitions, changelog_topic=changelog)
    store = cast(StateStore, table.data)
    store.catches_up_by(read_changelog)
    return store


class Pipeline:
    """Hands micro-batches to the work: while one has its turn the next one is decided and embedded, and one gathers."""

    def __init__(
        self,
        indexing: ProfileIndexing,
        continuity: Continuity,
        bulk_topic: str,
        gives_way: Callable[[], Awaitable[None]],
    ) -> None:
        self._indexing = indexing
        self._gives_way = gives_way
        self._continuity = continuity
        self._bulk_topic = bulk_topic
        self._before: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._in_work = 0
        self._busy_since: float | None = None

    @property
    def busy_s(self) -> float:
        """Seconds that the batch in work has taken so far; 0 when idle."""
        return 0.0 if self._busy_since is None else time.monotonic() - self._busy_since

    def forget(self) -> None:
        """Partitions were taken away."""
        self._continuity.forget()
        self._indexing.forget()

    async def accept(self, events: Sequence[EventT[bytes]]) -> None:
        """Decide a batch, and let it wait for its turn; returns once it is decided and the one before is settled."""
        await self._gives_way()
        self._in_work += 1
        if self._busy_since is None:
            self._busy_since = time.monotonic()
        before, decided = self._before, await _watched(self._decide(events), "decide-batch")
        self._before = _watched(self._settle(before, decided, events), "settle-batch")
        if before is not None:
            await before

    async def _decide(self, events: Sequence[EventT[bytes]]) -> Decided:
        followed = await self._continuity.follow([self._incoming(event) for event in events])
        if followed.early:
            self._leave({record.place for record in followed.early}, events)
        return await self._indexing.decide(followed.records)

    def _leave(self, early: Collection[Place], events: Sequence[EventT[bytes]]) -> None:
        """Leave events to come again: they are not acknowledged, and nobody waits for their acknowledgement."""
        for event in events:
            if (event.message.topic, event.message.partition, event.message.offset) in early:
                event.app.consumer.unacked.discard(event.message)
        if self._watch is None or self._watch.done():
            self._watch = _watched(self._continuity.missing_come(), "missing-records")

    async def _settle(
        self, before: asyncio.Task[None] | None, decided: Decided, events: Sequence[EventT[bytes]]
    ) -> None:
        waiting: dict[Place, list[EventT[bytes]]] = defaultdict(list)
        for event in events:
            waiting[event.message.topic, event.message.partition, event.message.offset].append(event)

        async def acknowledge(records: Sequence[Incoming]) -> None:
            for record in records:
                for event in waiting[record.place]:
                    event.ack()

        if before is not None:
            await before
        self._busy_since = time.monotonic()
        with metrics.BATCH_SECONDS.time():
            await self._indexing.settle(decided, acknowledge)
        self._in_work -= 1
        self._busy_since = time.monotonic() if self._in_work else None

    def _incoming(self, event: EventT[bytes]) -> Incoming:
        message = event.message
        bulk = message.topic == self._bulk_topic
        record = Incoming(message.topic, message.partition, message.offset, message.key, message.value, bulk)
        return taken(record, message.headers)


def _watched(work: Coroutine[Any, Any, _DoneT], name: str) -> asyncio.Task[_DoneT]:
    """Work whose failure ends the process: an exception that reached Faust would leave its agent half dead."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(stop_on_failure)
    return task
