"""`kith index`: the indexer process."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import IO, TYPE_CHECKING, Any

import typer

from kith.errors import SettingsError
from kith.settings import Settings, load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from kith.health import HealthServer
    from kith.wiring_indexer import IndexerParts, PlacedEmbedder

# A batch that takes longer than this has stopped moving: liveness fails, and the supervisor restarts the process.
_STUCK_FACTOR = 2.0


def index(
    health_port: int | None = typer.Option(
        None, "--health-port", help="Port of /healthz, /readyz and /metrics; 0 takes a free one."
    ),
    workers: int = typer.Option(
        1, "--workers", min=1, max=256, help="Indexer processes; worker N has the health port after that of N-1."
    ),
    worker: int | None = typer.Option(None, "--worker", min=0, hidden=True, help="Given by --workers: its number."),
    embed_threads: int | None = typer.Option(
        None, "--embed-threads", min=0, hidden=True, help="Given by --workers: its share."
    ),
) -> None:
    """Run the indexer: profile changes from Kafka, embedded, into Milvus. SIGTERM ends it after the batch in hand.

    Run up to as many as the topic has partitions, on any number of machines; they share the work as one consumer group.
    With --workers this process keeps that many indexers running: one that dies is started again, after pauses that
    grow; exit code 3 when one keeps dying.

    Example: `KITH_KAFKA_BOOTSTRAP=broker:9092 kith index --workers 4 --health-port 9464`
    """
    given = {"health_port": health_port, "embed_threads": embed_threads}
    settings = load_settings(**{name: value for name, value in given.items() if value is not None})
    if workers > 1:
        from kith.commands.index_workers import run_workers

        run_workers(settings, workers)
        return
    if worker is not None:
        from kith.commands.index_workers import end_with_supervisor

        end_with_supervisor()
    run_indexer(settings, worker)


def run_indexer(settings: Settings, worker: int | None = None, embedder: PlacedEmbedder | None = None) -> None:
    """Check what the indexer needs, then consume until a signal comes.

    Args:
        worker: its number among those of one machine; it prefers the state folder of that number.
        embedder: in place of the release's own model.

    Raises:
        kith.errors.KithError: a part does not answer, a topic or the model release is missing.
    """
    import asyncio

    import faust
    import structlog

    from kith import wiring
    from kith.errors import InputError
    from kith.heaps import bound_heaps, search_less
    from kith.logs import configure_logs
    from kith.wiring_indexer import indexer
    from kith.wiring_metrics import describe
    from kith.wiring_traces import recording
    from schemas.access import Role, topics_of
    from workers.cores import available_cores

    bound_heaps(available_cores())
    configure_logs(settings.log_format, settings.log_level, "indexer" if worker is None else f"indexer-{worker}")
    traced = recording(settings, "indexer", wiring.indexer_group(settings))
    wiring.require_rights(settings, Role.INDEXER)
    declared = wiring.topics(settings)
    needed = topics_of(wiring.rights(settings, Role.INDEXER), declared)
    held = wiring.topic_admin(settings).partitions_held()
    if missing := [name for name in needed if name not in held]:
        raise InputError(f"Topics are missing on the cluster: {', '.join(missing)}.", "Run `kith topics apply`.")
    _refuse_while_filled(settings)
    # Faust's tables keep the loop that is set when they are made.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    data_dir, _held = _own_folder(settings, worker)
    parts = indexer(settings, data_dir, embedder)
    app = parts.app
    health = _health(settings, parts)
    describe("indexer", parts.runs_on, lambda: not health.reasons())
    where = {"group": app.conf.id, "kafka": settings.kafka_bootstrap, "health_port": health.port}
    structlog.get_logger(__name__).info("indexer starts", **where, **asdict(parts.runs_on))
    search_less()
    with parts.lag, health, traced:
        faust.Worker(
            app, loop=loop, override_logging=False, redirect_stdouts=False, quiet=True
        ).execute_from_commandline()


def _refuse_while_filled(settings: Settings) -> None:
    """Two writers would set profiles back: the fill of a candidate is done before its indexer begins.

    Raises:
        kith.errors.Unavailable: the fill is under way; later it is not.
    """
    from kith import wiring
    from kith.errors import Unavailable
    from schemas.rollouts import RolloutPhase

    records = wiring.codec(settings)
    try:
        one = wiring.rollout_log(settings, records).of(wiring.release(settings).manifest.name)
    finally:
        records.close()
    if one is not None and one.phase is RolloutPhase.FILLING:
        raise Unavailable(
            f"{one.candidate} is being filled by `kith rollout start`.", "Start its indexer again when that is done."
        )


def _own_folder(settings: Settings, worker: int | None) -> tuple[Path, IO[str]]:
    """A folder for the table that no other indexer of this machine uses; and the lock on it.

    Below one of its group: another release's table is of another topic, and its offsets would be taken for this one's.
    """
    from kith import wiring
    from kith.services.state_files import first_free

    folder = settings.state_dir / "streams" / wiring.indexer_group(settings)
    try:
        return first_free(folder, worker)
    except OSError as error:
        raise SettingsError(f"KITH_STATE_DIR: {folder} cannot be made: {error.strerror}.", "Choose another.") from error


class _Membership:
    """What the indexer has of its group's partitions, and whether their table is restored."""

    def __init__(self, parts: IndexerParts, ready_max_lag: int) -> None:
        self._parts = parts
        self._ready_max_lag = ready_max_lag
        self._assigned: set[tuple[str, int]] | None = None
        self._restore_begins()

    def _restore_begins(self) -> None:
        from kith import metrics

        self._restored, self._since = False, time.monotonic()
        metrics.TABLE_RESTORING.set(1)

    async def on_revoked(self, *_: Any, **__: Any) -> None:
        self._restore_begins()

    async def on_restored(self, *_: Any, **__: Any) -> None:
        from kith import metrics

        self._assigned = {(place.topic, place.partition) for place in self._parts.app.consumer.assignment()}
        self._restored = True
        metrics.TABLE_RESTORING.set(0)
        metrics.TABLE_RESTORE_SECONDS.set(time.monotonic() - self._since)

    def group(self) -> str | None:
        if self._assigned is None:
            return "not yet a member of the consumer group"
        return None if self._restored else "the table is being restored"

    def lag(self) -> str | None:
        behind = self._parts.lag.behind(self._assigned or ())
        if behind is None:
            return "not known yet"
        if behind <= self._ready_max_lag:
            return None
        return f"{behind:,} records wait, and {self._ready_max_lag:,} may"


def _health(settings: Settings, parts: IndexerParts) -> HealthServer:
    from kith.health import HealthServer

    membership = _Membership(parts, settings.ready_max_lag)
    parts.app.on_partitions_revoked.connect(membership.on_revoked)
    parts.app.on_rebalance_complete.connect(membership.on_restored)
    limit = settings.apply_timeout_s + settings.retry_give_up_s * _STUCK_FACTOR
    return HealthServer(
        settings.health_host,
        settings.health_port,
        {"group": membership.group, "lag": membership.lag, "parts": lambda: parts.back_pressure.reason},
        alive=lambda: parts.pipeline.busy_s < limit,
    )
