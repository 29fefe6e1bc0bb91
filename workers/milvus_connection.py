"""One lazily opened connection to a Milvus server: bounded calls, errors in our words, what the server can do."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import grpc  # it ships no types
from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

from kith.deadline import Deadline
from kith.errors import SettingsError, Unavailable
from workers.milvus_errors import translate

_ResultT = TypeVar("_ResultT")

_LITE_PREFIX = "milvus_lite-"
_INVERTED_SINCE = (2, 4)
_FULL_TEXT_SINCE = (2, 5)
# Less than this is not sent: it would only burden a server that cannot answer in time.
_LEAST_TIMEOUT_S = 0.005

_GRPC_OPTIONS = {
    # Without this a new channel inherits the waiting time (up to 2 minutes) of the old one's failed attempts.
    "grpc.use_local_subchannel_pool": 1,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.min_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1000,
    # Milvus Lite (a gRPC server with default settings) closes connections that ping while idle.
    "grpc.keepalive_time_ms": 60_000,
    "grpc.keepalive_permit_without_calls": 0,
}


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the connected server can do.

    Attributes:
        version: as the server tells it.
        is_lite: Milvus Lite: one node, small data.
        honours_consistency: it knows consistency levels; Lite always reads its own writes.
        concurrent_writers: writes may overlap; Lite then silently loses acknowledged rows.
        inverted_indexes: INVERTED indexes on the fields that filters compare. Lite has them for scalars only, and at
            the sizes it is for they gain nothing.
        vector_index: index type for the vector field.
        exact: that index compares every row, so it misses none.
        full_text: it makes sparse vectors of texts by itself and searches them by BM25.
    """

    version: str
    is_lite: bool
    honours_consistency: bool
    concurrent_writers: bool
    inverted_indexes: bool
    vector_index: str
    exact: bool
    full_text: bool


def capabilities_of(version: str) -> Capabilities:
    """Capabilities of a server by its version string ("milvus_lite-3.2.2", "v2.6.4", "2.3.5-dev")."""
    lite = version.startswith(_LITE_PREFIX)
    return Capabilities(
        version=version,
        is_lite=lite,
        honours_consistency=not lite,
        concurrent_writers=not lite,
        inverted_indexes=not lite and _release(version) >= _INVERTED_SINCE,
        vector_index="FLAT" if lite else "AUTOINDEX",
        exact=lite,
        full_text=lite or _release(version) >= _FULL_TEXT_SINCE,
    )


class MilvusConnection:
    """A connection that opens on first use and mends itself when the server comes back. Safe for several threads.

    Args:
        uri: `http://host:port`, `https://host:port` or `unix:/path:0`.
        token: `user:password` or an API key; None for a server without authentication.
        ca_file: certificates (PEM) that are trusted over https; None trusts the usual ones.
        connect_timeout_s: longest wait for one attempt to connect, seconds.
    """

    def __init__(
        self, uri: str, token: str | None = None, *, ca_file: Path | None = None, connect_timeout_s: float = 2.0
    ) -> None:
        self.uri = uri
        self._tls = {} if ca_file is None else {"server_pem_path": str(ca_file)}
        self._token = token or ""
        self._connect_timeout_s = connect_timeout_s
        self._lock = threading.Lock()
        self._client: MilvusClient | None = None
        self._capabilities: Capabilities | None = None

    def call(self, doing: str, timeout_s: float, request: Callable[[MilvusClient, float], _ResultT]) -> _ResultT:
        """Run `request(client, remaining_s)`; it must hand `remaining_s` to pymilvus as `timeout`.

        Args:
            doing: what is asked, as in "search profiles__student_v0", for messages.
            timeout_s: seconds for the connection, if there is none, and the request together.
            request: the work; gets the client and the seconds that are left.

        Raises:
            kith.errors.Unavailable: unreachable, timed out or not taking requests now.
            kith.errors.InputError: refused for good.
            kith.errors.SettingsError: the URI cannot be used, or the token is refused.
        """
        deadline = Deadline.after(timeout_s)
        try:
            client = self._connected(deadline)
            return request(client, self._remaining(deadline, doing))
        except (MilvusException, grpc.RpcError) as error:
            known = translate(error, self.uri, doing)
            if known is None:
                raise
            raise known from error

    def capabilities(self, timeout_s: float) -> Capabilities:
        """What the server can do; asked once per connection.

        Raises:
            kith.errors.Unavailable: the server does not answer.
        """
        if self._capabilities is None:
            version = self.call("tell its version", timeout_s, lambda c, left: c.get_server_version(timeout=left))
            self._capabilities = capabilities_of(str(version))
        return self._capabilities

    def close(self) -> None:
        """Close the connection; a later call opens a new one. Not while calls are under way."""
        with self._lock:
            client, self._client = self._client, None
            self._capabilities = None
        if client is not None:
            client.close()

    def _connected(self, deadline: Deadline) -> MilvusClient:
        if not self._lock.acquire(timeout=self._remaining(deadline, "connect")):
            raise Unavailable(f"Milvus at {self.uri} was not connected in time.")
        try:
            if self._client is None:
                self._client = self._open(min(self._connect_timeout_s, self._remaining(deadline, "connect")))
            return self._client
        finally:
            self._lock.release()

    def _open(self, timeout_s: float) -> MilvusClient:
        # pymilvus logs a traceback for every failed call, on top of raising it; we report the raised one ourselves.
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
        logging.getLogger("pymilvus.decorators").setLevel(logging.CRITICAL)
        if self.uri.endswith(".db"):
            raise SettingsError(f"{self.uri!r} is a file.", "Give the URI of a server, such as http://127.0.0.1:19530.")
        return MilvusClient(
            uri=self.uri,
            token=self._token,
            timeout=timeout_s,
            # Not shared: a shared connection would bring another client's time limits.
            dedicated=True,
            grpc_options=_GRPC_OPTIONS,
            **self._tls,
        )

    def _remaining(self, deadline: Deadline, doing: str) -> float:
        remaining = deadline.remaining()
        if remaining < _LEAST_TIMEOUT_S:
            raise Unavailable(f"No time was left to {doing} at Milvus {self.uri}.")
        return remaining


def _release(version: str) -> tuple[int, int]:
    numbers = version.lstrip("v").split("-")[0].split(".")
    if len(numbers) < 2 or not all(part.isdigit() for part in numbers[:2]):  # noqa: PLR2004 (major, minor)
        # A development build names no release and is newer than the ones we tell apart.
        return (99, 0)
    return int(numbers[0]), int(numbers[1])
