"""Milvus Lite as a server on loopback: one process owns the data folder, others reach it by URI."""

from __future__ import annotations

import sys
from pathlib import Path

from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

from kith.services.ports import LOOPBACK

# Unflushed rows are searched by brute force in Python: a small memtable keeps searches quick while rows arrive.
_MEMTABLE_BYTES = 4_000_000


def prepare(data_dir: Path, port: int) -> list[str]:
    """The command that runs the server; the folder is created by it."""
    program = Path(sys.executable).with_name("milvus-lite")
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


def is_ready(milvus_uri: str) -> bool:
    """Whether it answers a request."""
    try:
        client = MilvusClient(uri=milvus_uri, timeout=1.0)
        client.list_collections(timeout=1.0)
        client.close()
    except MilvusException:
        return False
    return True
