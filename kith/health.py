"""`/healthz`, `/readyz` and `/metrics` of one process, served from a thread of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from socketserver import ThreadingMixIn
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from kith.errors import PartFailed

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Check = Callable[[], str | None]


class HealthServer:
    """Serves health and metrics while it is entered.

    `/healthz` answers 200 while `alive()`; `/readyz` answers 200 while no check gives a reason, else 503 with the
    reasons; `/metrics` is for Prometheus. Checks read state and call nobody.

    Args:
        port: 0 takes a free one; `port` tells which.
        checks: by name; each gives why the process is not ready, or None.
        alive: whether the process still makes progress.

    Raises:
        PartFailed: it cannot listen there.
    """

    def __init__(self, host: str, port: int, checks: Mapping[str, Check], alive: Callable[[], bool]) -> None:
        self._checks = dict(checks)
        self._alive = alive
        self._metrics = make_wsgi_app()
        try:
            self._server = make_server(host, port, self._answer, server_class=_Server, handler_class=_Handler)
        except OSError as error:
            raise PartFailed(
                f"Health and metrics cannot listen on {host}:{port} ({error.strerror}).",
                "Set KITH_HEALTH_PORT to a free port or 0, and KITH_HEALTH_HOST to an address of this machine.",
            ) from error
        self._thread = Thread(target=self._server.serve_forever, name="health", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_port)

    def reasons(self) -> dict[str, str]:
        """Why the process is not ready, by check; empty when it is."""
        return {name: reason for name, check in self._checks.items() if (reason := check()) is not None}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            served: Iterable[bytes] = self._metrics(environ, start_response)
            return served
        if path == "/healthz":
            alive = self._alive()
            return _reply(start_response, ok=alive, body={"alive": alive})
        if path == "/readyz":
            reasons = self.reasons()
            return _reply(start_response, ok=not reasons, body={"ready": not reasons, "reasons": reasons})
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"/healthz, /readyz or /metrics\n"]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = 10

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Probes come every few seconds: they are not worth a line."""


def _reply(start_response: StartResponse, *, ok: bool, body: Mapping[str, object]) -> Iterable[bytes]:
    status = "200 OK" if ok else "503 Service Unavailable"
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(body).encode() + b"\n"]
