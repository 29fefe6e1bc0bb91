"""`kith gateway`: questions and feedback over HTTP."""

from __future__ import annotations

import math
import socket
from typing import Any

import typer

from kith.errors import MissingTool, PartFailed
from kith.settings import Settings, load_settings

# Beyond the longest deadline: what was answered last is still written out.
_LAST_WORDS_S = 5
_BACKLOG = 2048
_EXTRA = frozenset({"fastapi", "uvicorn"})


def gateway(
    port: int | None = typer.Option(None, "--port", help="Port to listen on; 0 takes a free one."),
) -> None:
    """Run the HTTP gateway: POST /v1/search and /v1/feedback onto the bus; the contract is at /openapi.json.

    It speaks to Kafka and the registry only, so a query consumer must run somewhere. SIGTERM ends it once the requests
    in hand are answered. It asks nobody who they are: put it behind what ends TLS. Needs kith[gateway].
    Exit code: 0 ended, 2 something to correct, 3 a part does not answer or the port is taken.

    Example: `KITH_KAFKA_BOOTSTRAP=broker:9092 kith gateway --port 8080`
    """
    run_gateway(load_settings() if port is None else load_settings(gateway_port=port))


def run_gateway(settings: Settings) -> None:
    """Answer HTTP requests until SIGTERM or SIGINT.

    Raises:
        kith.errors.KithError: Kafka or the registry does not answer, the port is taken, or the libraries are missing.
    """
    import signal

    import structlog

    from kith.logs import configure_logs
    from kith.wiring_traces import recording

    try:
        import uvicorn

        from kith.wiring_gateway import gateway as wired
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        raise MissingTool(
            f"The gateway needs {error.name}, which is not installed.", "Install kith[gateway]."
        ) from None

    configure_logs(settings.log_format, settings.log_level, "gateway")
    traced = recording(settings, "gateway")
    parts = wired(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn takes the signals while it serves, and raises them again once it has ended in order.
        signal.signal(number, lambda _number, _frame: None)
    try:
        with _listening(settings) as listener, parts.feedback, traced:
            port = listener.getsockname()[1]
            structlog.get_logger(__name__).info("gateway starts", kafka=settings.kafka_bootstrap, port=port)
            uvicorn.Server(uvicorn.Config(parts.app, **_served(settings))).run([listener])
    finally:
        parts.client.close()


def _served(settings: Settings) -> dict[str, Any]:
    """How uvicorn serves."""
    return {
        "http": "h11",
        "ws": "none",
        "loop": "asyncio",
        "lifespan": "off",
        "log_config": None,
        # Lines of requests would hold what people ask for; figures are at /metrics.
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": math.ceil(settings.gateway_max_timeout_s) + _LAST_WORDS_S,
    }


def _listening(settings: Settings) -> socket.socket:
    """Raises `PartFailed` where it cannot listen."""
    host, port = settings.gateway_host, settings.gateway_port
    try:
        return socket.create_server((host, port), backlog=_BACKLOG)
    except OSError as error:
        raise PartFailed(
            f"The gateway cannot listen on {host}:{port} ({error.strerror}).",
            "Set KITH_GATEWAY_PORT to a free port or 0, and KITH_GATEWAY_HOST to an address of this machine.",
        ) from error
