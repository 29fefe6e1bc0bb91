"""`kith index --workers`: several indexers of one machine under one process."""

from __future__ import annotations

import os
import signal
import sys
import threading

from kith.settings import Settings

# What a process takes to end besides its batch.
_END_S = 10.0
_LAST_PORT = 65_535


def run_workers(settings: Settings, workers: int) -> None:
    """Keep so many indexers running until a signal comes.

    Raises:
        kith.errors.InputError: the topic has fewer partitions; or a worker ended because of what has to be corrected.
        kith.errors.PartFailed: a worker keeps dying.
        kith.errors.Unavailable: Kafka does not answer.
    """
    import structlog

    from kith import wiring
    from kith.errors import InputError
    from kith.logs import configure_logs
    from kith.services.supervisor import Supervisor
    from workers.cores import available_cores

    configure_logs(settings.log_format, settings.log_level, "indexers")
    changes = wiring.topics(settings).changes.name
    held = wiring.topic_admin(settings).partitions_held()
    if changes not in held:
        raise InputError(f"Topics are missing on the cluster: {changes}.", "Run `kith topics apply`.")
    if workers > held[changes]:
        raise InputError(
            f"--workers {workers}: {changes} has {held[changes]} partitions, and a worker needs one.",
            f"Start at most {held[changes]} workers, on all machines together.",
        )
    log = structlog.get_logger(__name__)
    ports = health_ports(settings.health_port, workers)
    log.info("indexers start", workers=workers, health_ports=ports)
    # Each would take every core otherwise.
    threads = settings.embed_threads or max(1, available_cores() // workers)
    index = [sys.executable, "-m", "kith", "index", "--embed-threads", str(threads)]
    commands = [[*index, "--worker", str(number), "--health-port", str(port)] for number, port in enumerate(ports)]
    stop_s = 2 * settings.apply_timeout_s + _END_S
    Supervisor(commands, stop_s, lambda event, fields: log.info(event, **fields)).run()


def health_ports(first: int, workers: int) -> list[int]:
    """One port per worker: `first` and those after it, or free ones where `first` is 0.

    Raises:
        kith.errors.InputError: they would end beyond 65535.
        kith.errors.PartFailed: none is free.
    """
    from kith.errors import InputError
    from kith.services.ports import free_port

    if first == 0:
        ports: list[int] = []
        for _ in range(workers):
            ports.append(free_port(ports))
        return ports
    if first + workers - 1 > _LAST_PORT:
        raise InputError(
            f"--health-port {first}: with {workers} workers the last port is beyond 65535.", "Choose a lower one."
        )
    return [first + number for number in range(workers)]


def end_with_supervisor() -> None:
    """End this process as SIGTERM does once its supervisor is gone, which closes standard input."""

    def wait() -> None:
        # Not through sys.stdin, whose lock this thread would hold while Python ends.
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="supervisor-gone", daemon=True).start()
