"""Whether one of our own processes says that it is ready."""

from __future__ import annotations

import httpx2

from kith.services.ports import LOOPBACK, listens

_OK = 200


# A worker with a backlog does its work: whoever starts it need not wait for the end of it.
_STARTED_WITH = {"lag"}


def has_started(port: int) -> bool:
    """Whether `/readyz` on the port answers 200, or names nothing but a backlog."""
    if not listens(port):
        return False
    try:
        answer = httpx2.get(f"http://{LOOPBACK}:{port}/readyz", timeout=1.0)
        return answer.status_code == _OK or answer.json()["reasons"].keys() <= _STARTED_WITH
    except httpx2.TransportError:
        return False
