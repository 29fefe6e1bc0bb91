"""A Milvus Lite of a measurement's own, with the settings of `kith up`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from kith.deadline import Deadline
from kith.services import milvus
from kith.services.ports import free_port
from workers.milvus_connection import Capabilities, MilvusConnection

_START_S = 60.0
_STOP_S = 10.0


@contextmanager
def own_milvus_lite() -> Iterator[str]:
    """Its URI; the process and its data are gone afterwards."""
    port = free_port()
    with TemporaryDirectory() as folder:
        command = milvus.prepare(Path(folder), port)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
        try:
            deadline = Deadline.after(_START_S)
            while not milvus.is_ready(port):
                if process.poll() is not None or deadline.expired():
                    raise AssertionError("Milvus Lite did not start.")
            yield milvus.uri(port)
        finally:
            process.terminate()
            process.wait(_STOP_S)


class WithoutFullText(MilvusConnection):
    """A connection that takes its server for one without BM25, as collections were made before."""

    def capabilities(self, timeout_s: float) -> Capabilities:
        """See MilvusConnection."""
        return replace(super().capabilities(timeout_s), full_text=False)
