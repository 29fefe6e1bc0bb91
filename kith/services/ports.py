"""Ports on 127.0.0.1: a free one, or the one that was asked for."""

from __future__ import annotations

import socket

import psutil

from kith.errors import PartFailed

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def take_port(wanted: int, remembered: int | None, setting: str) -> int:
    """The port to use: the one asked for, else the one used before if it is still free, else any free one.

    Raises:
        PartFailed: the port asked for is taken; names the setting and who holds it.
    """
    if wanted:
        if not is_free(wanted):
            raise PartFailed(
                f"Port {wanted} is taken{_holder(wanted)}.", f"Free it, or set {setting} to another port or to 0."
            )
        return wanted
    if remembered and is_free(remembered):
        return remembered
    return free_port()


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        return ""  # the platform does not tell; the port and the setting are said all the same
    return ""
