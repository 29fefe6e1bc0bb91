"""`kith serve`: the query consumer process."""

from __future__ import annotations

from dataclasses import asdict

import typer

from kith.settings import Settings, load_settings

# The loop turns several times a second; one that stood this long will not go on by itself.
_STUCK_S = 60.0


def serve(
    health_port: int | None = typer.Option(
        None, "--health-port", help="Port of /healthz, /readyz and /metrics; 0 takes a free one."
    ),
) -> None:
    """Run the query consumer: search requests from Kafka, answered on the topic that each names. SIGTERM ends it.

    Run as many as the request topic has partitions; they share the work as one consumer group.

    Example: `KITH_KAFKA_BOOTSTRAP=broker:9092 kith serve --health-port 9465`
    """
    run_query_consumer(load_settings() if health_port is None else load_settings(health_port=health_port))


def run_query_consumer(settings: Settings) -> None:
    """Answer requests until SIGTERM or SIGINT.

    Raises:
        kith.errors.KithError: Kafka does not answer, the model release is missing or altered.
    """
    import signal
    from contextlib import nullcontext

    import structlog

    from kith import wiring
    from kith.health import HealthServer
    from kith.heaps import bound_heaps, search_less
    from kith.logs import configure_logs
    from kith.wiring_metrics import describe
    from kith.wiring_serving import query_consumer
    from kith.wiring_traces import recording
    from schemas.access import Role
    from workers.cores import available_cores

    bound_heaps(available_cores())
    configure_logs(settings.log_format, settings.log_level, "query")
    traced = recording(settings, "query", wiring.query_group(settings))
    wiring.require_rights(settings, Role.QUERY)
    parts = query_consumer(settings)
    consumer = parts.consumer
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: consumer.stop())
    health = HealthServer(
        settings.health_host,
        settings.health_port,
        {"requests": lambda: consumer.reason},
        alive=lambda: consumer.idle_s() < _STUCK_S,
    )
    describe("query", parts.runs_on, lambda: not health.reasons())
    structlog.get_logger(__name__).info(
        "query consumer starts", kafka=settings.kafka_bootstrap, health_port=health.port, **asdict(parts.runs_on)
    )
    search_less()
    with parts.watermarks, parts.watch, parts.candidate, parts.impressions or nullcontext(), health, traced:
        consumer.run()
