"""What an error of Milvus, pymilvus or gRPC means to us."""

from __future__ import annotations

import re

import grpc  # it ships no types
from pymilvus.exceptions import MilvusException
from pymilvus.grpc_gen import common_pb2

from kith.errors import InputError, KithError, SettingsError, Unavailable

# Codes of the server, 2.3 to 3.0 (pkg/util/merr): service, load state, capacity, replica, channel, segment, node,
# input and output, message queue, cancelled, timed out.
_NOT_NOW = frozenset(
    {2, 3, 4, 5, 7, 8, 9, 11, 12, 103, 104, 106, 201, 202, 305, 401, 500, 501, 502, 503, 504, 600, 601, 602, 604}
    | {901, 902, 903, 904, 905, 906, 1001, 1002, 1302, 1303, 1807, 10000, 10001}
)
# The older code beside it tells apart what Milvus Lite and the server number alike.
_NOT_NOW_OLDER = frozenset(
    {
        common_pb2.NotReadyServe,
        common_pb2.NotReadyCoordActivating,
        common_pb2.RateLimit,
        common_pb2.ForceDeny,
        common_pb2.TimeTickLongDelay,
        common_pb2.MemoryQuotaExhausted,
        common_pb2.DiskQuotaExhausted,
        common_pb2.InsufficientMemoryToLoad,
        common_pb2.NoReplicaAvailable,
        common_pb2.NodeIDNotMatch,
    }
)
_COLLECTION_NOT_LOADED = 101
_MISSING = frozenset({100, 1600, 1603})
_NOT_ALLOWED = frozenset({1400, 1401, 1800})
_REFUSED = frozenset({105, 700, 701, 1100, 1101, 1102, 1700, 1701, 1804})
_LITE_ILLEGAL_ARGUMENT = 6
_UNEXPECTED = 1
# What the server's own system refused it (a full disk, no more files): no record is to blame.
_OF_THE_SYSTEM = re.compile(r"\[errno \d+\]", re.IGNORECASE)
# What Milvus Lite says to a write while the collection is dropped; a moment later it is missing.
_BEING_DROPPED = "WAL already closed"

_GRPC_NOT_NOW = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)
_GRPC_NOT_ALLOWED = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})


class MissingCollection(Unavailable):
    """The collection or alias is not there (yet); no record is to blame for it."""


class NotLoaded(Unavailable):
    """The collection is there, but not loaded for reading."""


def translate(error: Exception, uri: str, doing: str) -> KithError | None:
    """The expected failure that `error` stands for.

    Args:
        error: what pymilvus raised.
        uri: the server's address, for the message.
        doing: what was asked of it, for the message ("search profiles__student_v0").

    Returns:
        Unavailable: not now (unreachable, timed out, rate limit, quota, writes denied); as MissingCollection: no such
        collection or alias; as NotLoaded: not loaded. SettingsError: the token is refused. InputError: refused for
        good. None: nothing that we expect, so a bug.
    """
    if isinstance(error, grpc.RpcError):
        return _of_grpc(error.code(), str(error.details()), uri, doing)
    if not isinstance(error, MilvusException):
        return None
    # While connecting, pymilvus calls a refused token a server that is unavailable.
    if isinstance(cause := error.__cause__, grpc.RpcError) and cause.code() in _GRPC_NOT_ALLOWED:
        return _not_allowed(uri, str(cause.details()))
    if isinstance(error.code, grpc.StatusCode):
        return _of_grpc(error.code, error.message, uri, doing)
    return _of_milvus(error, uri, doing)


def _of_grpc(code: grpc.StatusCode, details: str, uri: str, doing: str) -> KithError | None:
    if code in _GRPC_NOT_NOW:
        return _not_now(uri, doing, f"{code.name.lower()}: {details}")
    return _not_allowed(uri, details) if code in _GRPC_NOT_ALLOWED else None


def _of_milvus(error: MilvusException, uri: str, doing: str) -> KithError | None:
    code, older, message = error.code, error.compatible_code, error.message
    if code in _MISSING or older == common_pb2.CollectionNotExists:
        return MissingCollection(
            f"Milvus at {uri} could not {doing}: {_line(message)}.",
            "`kith rebuild` brings back a lost one; the indexer creates the first.",
        )
    if code == _COLLECTION_NOT_LOADED:
        return NotLoaded(f"Milvus at {uri} could not {doing}: it is not loaded.", "Load the collection.")
    if code in _NOT_ALLOWED or older == common_pb2.PermissionDenied:
        return _not_allowed(uri, message)
    lite_refused = code == older == _LITE_ILLEGAL_ARGUMENT
    if lite_refused or code in _REFUSED or older == common_pb2.IllegalArgument or error.is_input_error:
        return InputError(f"Milvus refused to {doing}: {_line(message)}.")
    # pymilvus gives up on waiting for a load with its unspecific code.
    load_timeout = code == _UNEXPECTED and "loading collection timeout" in message
    disk_fault = code == _UNEXPECTED and _OF_THE_SYSTEM.search(message) is not None
    dropped = code == _UNEXPECTED and _BEING_DROPPED in message
    if error.retriable or older in _NOT_NOW_OLDER or code in _NOT_NOW or load_timeout or disk_fault or dropped:
        return _not_now(uri, doing, message)
    return None


def _not_now(uri: str, doing: str, reason: str) -> Unavailable:
    return Unavailable(
        f"Milvus at {uri} could not {doing} now: {_line(reason)}.", "Check that it runs and takes requests."
    )


def _not_allowed(uri: str, reason: str) -> SettingsError:
    return SettingsError(f"Milvus at {uri} refused the credentials: {_line(reason)}.", "Check KITH_MILVUS_TOKEN.")


def _line(text: str) -> str:
    return " ".join(text.split())[:300].rstrip(".")
