"""A receiver of OTLP over HTTP, as a collector is one: it takes spans and keeps them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from kith.services.ports import LOOPBACK

Named = tuple[str, Span]


class OtlpReceiver:
    """Listens on loopback while it is entered; `refuse` answers with that status instead of taking."""

    def __init__(self) -> None:
        self.refuse: int | None = None
        self.paths: set[str] = set()
        self._spans: list[Named] = []
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.paths.add(self.path)
                if receiver.refuse is None:
                    receiver._take(ExportTraceServiceRequest.FromString(body))
                self.send_response(receiver.refuse or 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://{LOOPBACK}:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def trace(self, trace_id: str) -> Sequence[Named]:
        """Spans of a trace until now, each with the name of its service."""
        with self._lock:
            return [one for one in self._spans if one[1].trace_id.hex() == trace_id]

    def spans(self) -> Sequence[Named]:
        with self._lock:
            return list(self._spans)

    def _take(self, request: ExportTraceServiceRequest) -> None:
        with self._lock:
            for of_process in request.resource_spans:
                named = {one.key: one.value.string_value for one in of_process.resource.attributes}
                for scope in of_process.scope_spans:
                    self._spans += [(named["service.name"], span) for span in scope.spans]
