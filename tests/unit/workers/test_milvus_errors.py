from __future__ import annotations

import grpc
import pytest
from pymilvus.exceptions import MilvusException, ParamError
from pymilvus.grpc_gen import common_pb2

from kith.errors import InputError, SettingsError, Unavailable
from workers.milvus_connection import capabilities_of
from workers.milvus_errors import MissingCollection, NotLoaded, translate

UNEXPECTED = common_pb2.UnexpectedError


@pytest.mark.parametrize(
    "error",
    [
        MilvusException(8, "rate limit exceeded", common_pb2.RateLimit),
        MilvusException(9, "quota exceeded: deny to write", common_pb2.ForceDeny),
        MilvusException(1, "service not ready", common_pb2.NotReadyServe),
        MilvusException(2, "Fail connecting to server"),
        MilvusException(7, "disk limit exceeded", common_pb2.DiskQuotaExhausted),
        MilvusException(1303, "deny to write the message to mq"),
        MilvusException(4711, "unheard of", retriable=True),
        MilvusException(grpc.StatusCode.UNAVAILABLE, "retry timeout"),
        MilvusException(1, "wait for loading collection timeout, collection: x"),
        MilvusException(1, "[Errno 27] File too large"),
        MilvusException(1, "WAL already closed"),
        MilvusException(1, "Error writing to file. Detail: [errno 28] No space left on device"),
    ],
)
def test_not_now(error: MilvusException) -> None:
    assert type(translate(error, "http://m", "search x")) is Unavailable


def test_not_loaded() -> None:
    assert type(translate(MilvusException(101, "x", 101), "http://m", "search x")) is NotLoaded


@pytest.mark.parametrize("error", [MilvusException(100, "x", 4), MilvusException(1600, "alias not found")])
def test_not_there(error: MilvusException) -> None:
    assert type(translate(error, "http://m", "search x")) is MissingCollection


@pytest.mark.parametrize(
    "error",
    [
        MilvusException(6, "ARRAY field has 4 elements", 6),
        MilvusException(1100, "invalid parameter", common_pb2.IllegalArgument),
        MilvusException(1102, "parameter too large"),
        MilvusException(4711, "unheard of", is_input_error=True),
    ],
)
def test_refused_for_good(error: MilvusException) -> None:
    assert type(translate(error, "http://m", "search x")) is InputError


def test_refused_credentials() -> None:
    error = MilvusException(1400, "not authenticated")

    assert type(translate(error, "http://m", "search x")) is SettingsError


@pytest.mark.parametrize(
    "error",
    [
        MilvusException(1, "matmul: mismatch", 0),
        MilvusException(6, "cross cluster routing", UNEXPECTED),
        MilvusException(65535, "unexpected error"),
        ParamError(message="limit must be an int"),
        ValueError("x"),
    ],
)
def test_anything_else_is_a_bug(error: Exception) -> None:
    assert translate(error, "http://m", "search x") is None


def test_a_message_is_one_line_and_says_where_and_what() -> None:
    known = translate(MilvusException(8, "rate\n  limit"), "http://m:1", "write to profiles__x")

    assert str(known) == (
        "Milvus at http://m:1 could not write to profiles__x now: rate limit. Check that it runs and takes requests."
    )


@pytest.mark.parametrize(
    ("version", "lite", "inverted", "full_text"),
    [
        ("milvus_lite-3.2.2", True, False, True),
        ("v2.3.5", False, False, False),
        ("2.4.0-rc.1", False, True, False),
        ("v2.5.0", False, True, True),
        ("v3.0.2", False, True, True),
        ("master-20261101-abc", False, True, True),
    ],
)
def test_capabilities_follow_the_version(version: str, lite: bool, inverted: bool, full_text: bool) -> None:
    found = capabilities_of(version)

    assert (found.is_lite, found.inverted_indexes, found.full_text) == (lite, inverted, full_text)
    assert found.concurrent_writers is not lite
