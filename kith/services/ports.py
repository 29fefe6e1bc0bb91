"""Ports on 127.0.0.1: a free one, or the one that was asked for."""

from __future__ import annotations

import random
import socket
from collections.abc import Collection
from threading import Event

import psutil

from kith.deadline import Deadline
from kith.errors import PartFailed

LOOPBACK = "127.0.0.1"

# Below the range from which the system gives clients their own ports (Linux from 32768, others from 49152): a client
# that tries to reach a part which is down would otherwise be given, sooner or later, the very port of that part.
_FIRST, _LAST = 20_000, 32_000
_TRIES = 500
_CONNECT_S = 0.5
# How long the system may take to close the ports of a process that was killed.
_CLOSING_S = 2.0
_POLL_S = 0.02


def free_port(avoid: Collection[int] = ()) -> int:
    """A port that nothing listens on now, and that is not one of `avoid`.

    Raises:
        PartFailed: none was found.
    """
    for _ in range(_TRIES):
        port = random.randrange(_FIRST, _LAST)
        if port not in avoid and is_free(port):
            return port
    raise PartFailed(f"No free port was found between {_FIRST} and {_LAST}.", "Set the ports: see `kith settings`.")


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def listens(port: int) -> bool:
    """Whether something accepts connections on the port; says nothing about who."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=_CONNECT_S).close()
    except OSError:
        return False
    return True


def take_port(wanted: int, remembered: int | None, setting: str, avoid: Collection[int] = ()) -> int:
    """The port to use: the one asked for, else the one used before if it is still free, else any free one.

    Args:
        wanted: 0 when none was asked for.
        setting: name of the setting that asks for it.
        avoid: ports that other parts are about to use.

    Raises:
        PartFailed: the port asked for is taken; names the setting and who holds it.
    """
    if wanted:
        if wanted in avoid or not _becomes_free(wanted):
            raise PartFailed(
                f"Port {wanted} is taken{_holder(wanted)}.", f"Free it, or set {setting} to another port or to 0."
            )
        return wanted
    if remembered and remembered not in avoid and _becomes_free(remembered):
        return remembered
    return free_port(avoid)


def _becomes_free(port: int) -> bool:
    deadline, pause = Deadline.after(_CLOSING_S), Event()
    while not is_free(port):
        if deadline.expired():
            return False
        pause.wait(_POLL_S)
    return True


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            local = connection.laddr
            if connection.status == psutil.CONN_LISTEN and local and local.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        return ""  # the platform does not tell; the port and the setting are said all the same
    return ""
