"""Whether one of our own processes says that it is ready."""

from __future__ import annotations

import httpx2

from kith.services.ports import LOOPBACK, listens

_OK = 200


def answers_ready(port: int) -> bool:
    """Whether `/readyz` on the port answers 200."""
    if not listens(port):
        return False
    try:
        return httpx2.get(f"http://{LOOPBACK}:{port}/readyz", timeout=1.0).status_code == _OK
    except httpx2.TransportError:
        return False
