"""A Milvus Lite of a measurement's own, with the settings of `kith up`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from kith.services.local_stack import LocalStack
from workers.milvus_connection import Capabilities, MilvusConnection


@contextmanager
def own_milvus_lite() -> Iterator[str]:
    """Its URI; the process and its data are gone afterwards."""
    with TemporaryDirectory() as folder:
        stack = LocalStack(Path(folder), Path(folder), external=["kafka", "registry"])
        try:
            yield stack.start().milvus_uri
        finally:
            stack.stop(["milvus"])


class WithoutFullText(MilvusConnection):
    """A connection that takes its server for one without BM25, as collections were made before."""

    def capabilities(self, timeout_s: float) -> Capabilities:
        """See MilvusConnection."""
        return replace(super().capabilities(timeout_s), full_text=False)
