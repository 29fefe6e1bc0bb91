"""TLS in front of parts that have none of their own here: the registry with HTTP basic, Milvus with its token."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

import grpc
import httpx2

from kith.services.ports import LOOPBACK
from tests.security.authority import Identity

_ANSWER_S = 10.0
_LONGEST_S = 60.0


@contextmanager
def registry_front(registry_url: str, identity: Identity, login: tuple[str, str]) -> Iterator[str]:
    """An https URL that hands requests with this user name and password on, and answers 401 to others."""
    wanted = "Basic " + base64.b64encode(":".join(login).encode()).decode()
    upstream = urlsplit(registry_url)

    class Front(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _hand_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.headers.get("authorization") != wanted:
                self._answer(401, b'{"error_code": 401, "message": "Unauthorized"}', "application/json")
                return
            answer = httpx2.request(
                self.command,
                f"{upstream.scheme}://{upstream.netloc}{self.path}",
                content=body,
                headers={name: self.headers[name] for name in ("content-type", "accept") if name in self.headers},
                timeout=_ANSWER_S,
            )
            self._answer(answer.status_code, answer.content, answer.headers.get("content-type", ""))

        def _answer(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = _hand_on  # noqa: N815 - the names that the base class looks for

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that does not trust the certificate hangs up: that is what some tests are about."""

    server = Quiet((LOOPBACK, 0), Front)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://{LOOPBACK}:{server.server_address[1]}{upstream.path}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def milvus_front(milvus_uri: str, identity: Identity, token: str) -> Iterator[str]:
    """An https URI that hands calls with this token on, and refuses others as unauthenticated."""
    wanted = base64.b64encode(token.encode()).decode()
    channel = grpc.insecure_channel(urlsplit(milvus_uri).netloc, options=[("grpc.max_receive_message_length", -1)])

    class Front(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            given = dict(details.invocation_metadata)
            call = channel.unary_unary(details.method)

            def hand_on(request: bytes, context: grpc.ServicerContext) -> bytes:
                if given.get("authorization") != wanted:
                    context.abort(grpc.StatusCode.UNAUTHENTICATED, "auth check failure")
                try:
                    # Whoever gave no time limit has one of infinity, which gRPC takes for one that has passed.
                    return bytes(call(request, timeout=min(_LONGEST_S, context.time_remaining())))
                except grpc.RpcError as error:
                    context.abort(error.code(), error.details())

            return grpc.unary_unary_rpc_method_handler(hand_on)

    server = grpc.server(ThreadPoolExecutor(8), handlers=[Front()], options=[("grpc.max_receive_message_length", -1)])
    credentials = grpc.ssl_server_credentials([(identity.key.read_bytes(), identity.certificate.read_bytes())])
    port = server.add_secure_port(f"{LOOPBACK}:0", credentials)
    server.start()
    try:
        yield f"https://{LOOPBACK}:{port}"
    finally:
        server.stop(1).wait()
        channel.close()
