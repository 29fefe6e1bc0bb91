"""Milvus Lite as a server on loopback: one process owns the data folder, others reach it by URI."""

from __future__ import annotations

import sys
from pathlib import Path

from kith.errors import MissingTool
from kith.services.ports import LOOPBACK, listens

# Unflushed rows are searched by brute force in Python: a small memtable keeps searches quick while rows arrive.
_MEMTABLE_BYTES = 4_000_000
_ANSWER_S = 2.0


def prepare(data_dir: Path, port: int) -> list[str]:
    """The command that runs the server; the folder is created by it.

    Raises:
        MissingTool: Milvus Lite is not installed beside this Python.
    """
    program = Path(sys.executable).with_name("milvus-lite")
    if not program.is_file():
        raise MissingTool(
            "Milvus Lite is not installed in this environment.",
            "Install kith with its extra `embedded`, or set KITH_MILVUS_URI to a Milvus server.",
        )
    return [
        "/usr/bin/env",
        f"MILVUS_LITE_MEMTABLE_MEMORY_LIMIT_BYTES={_MEMTABLE_BYTES}",
        str(program),
        "server",
        "--data-dir",
        str(data_dir),
        "--host",
        LOOPBACK,
        "--port",
        str(port),
    ]


def uri(port: int) -> str:
    """Where clients reach it."""
    return f"http://{LOOPBACK}:{port}"


def is_ready(port: int) -> bool:
    """Whether it answers a request."""
    if not listens(port):
        return False
    # Imported here: it takes most of a second, and `kith --help` does not need it.
    from pymilvus import MilvusClient
    from pymilvus.exceptions import MilvusException

    try:
        # Of its own: a shared connection would remember the server that was on this port before.
        client = MilvusClient(uri=uri(port), timeout=_ANSWER_S, dedicated=True)
    except MilvusException:
        return False
    try:
        client.list_collections(timeout=_ANSWER_S)
    except MilvusException:
        return False
    finally:
        client.close()
    return True
