"""`kith index`: the indexer process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from kith.settings import Settings, load_settings

if TYPE_CHECKING:
    import faust

    from kith.health import HealthServer
    from streams.app import Pipeline
    from streams.back_pressure import BackPressure

# A batch that takes longer than this has stopped moving: liveness fails, and the supervisor restarts the process.
_STUCK_FACTOR = 2.0


def index(
    health_port: int | None = typer.Option(
        None, "--health-port", help="Port of /healthz, /readyz and /metrics; 0 takes a free one."
    ),
) -> None:
    """Run the indexer: profile changes from Kafka, embedded, into Milvus. SIGTERM ends it after the batch in hand.

    Run up to as many as the topic has partitions; they share the work as one consumer group.

    Example: `KITH_KAFKA_BOOTSTRAP=broker:9092 kith index --health-port 9464`
    """
    settings = load_settings() if health_port is None else load_settings(health_port=health_port)
    run_indexer(settings)


def run_indexer(settings: Settings) -> None:
    """Check what the indexer needs, then consume until a signal comes.

    Raises:
        kith.errors.KithError: a part does not answer, a topic or the model release is missing.
    """
    import asyncio

    import faust
    import structlog

    from kith import wiring
    from kith.errors import InputError
    from kith.logs import configure_logs

    configure_logs(settings.log_format, settings.log_level, "indexer")
    declared = wiring.topics(settings).all()
    held = wiring.topic_admin(settings).partitions_held()
    if missing := [topic.name for topic in declared if topic.name not in held]:
        raise InputError(f"Topics are missing on the cluster: {', '.join(missing)}.", "Run `kith topics apply`.")
    app, pipeline, back_pressure = wiring.indexer_app(settings)
    health = _health(settings, app, pipeline, back_pressure)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    log = structlog.get_logger(__name__)
    log.info("indexer starts", group=app.conf.id, kafka=settings.kafka_bootstrap, health_port=health.port)
    with health:
        faust.Worker(
            app, loop=loop, override_logging=False, redirect_stdouts=False, quiet=True
        ).execute_from_commandline()


def _health(settings: Settings, app: faust.App, pipeline: Pipeline, back_pressure: BackPressure) -> HealthServer:
    from kith.health import HealthServer

    joined = False

    async def on_assigned(*_: Any, **__: Any) -> None:
        nonlocal joined
        joined = True

    app.on_partitions_assigned.connect(on_assigned)
    limit = settings.apply_timeout_s + settings.retry_give_up_s * _STUCK_FACTOR
    return HealthServer(
        settings.health_host,
        settings.health_port,
        {
            "group": lambda: None if joined else "not yet a member of the consumer group",
            "parts": lambda: back_pressure.reason,
        },
        alive=lambda: pipeline.busy_s < limit,
    )
