"""One installation under faults: its parts, its indexers, who watches it, and the verdict."""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from kith import wiring
from kith.errors import Unavailable
from kith.services.local_stack import LocalStack
from kith.services.process import pause
from kith.settings import DEFAULT_MODEL_DIR, Settings
from tests.faults.load import Load, expected
from tests.faults.watcher import Watcher
from tests.integration.accounting import Audited, audited, waiting
from tests.integration.conftest import Worker
from tests.waiting import wait_until
from workers.model_collections import collection_name

RECOVERY_S = 240.0


@dataclass(frozen=True)
class Verdict:
    """A row of the table at the end."""

    fault: str
    times: int
    records: int
    lost: int
    stale: int
    set_back: int
    flickered: int
    repeated_receipts: int
    recovery_s: float


@dataclass
class Installation:
    """What a fault is done to.

    Attributes:
        stack: the parts, which a fault may kill.
        start: starts an indexer and waits until it is ready.
    """

    settings: Settings
    stack: LocalStack
    folder: Path
    chance: random.Random
    indexers: list[Worker] = field(default_factory=list)

    def start_indexer(self, *, wait: bool = True) -> Worker:
        one = Worker(self.settings, "index", self.folder / f"index-{len(list(self.folder.glob('*.log')))}.log")
        self.indexers.append(one)
        if wait:
            wait_until(one.ready, bool, RECOVERY_S)
        return one

    def kill_indexer(self, one: Worker) -> None:
        self.indexers.remove(one)
        one.kill()

    def revive(self) -> None:
        """Start those again that ended by themselves, as a supervisor does."""
        for one in [one for one in self.indexers if one.process.poll() is not None]:
            self.indexers.remove(one)
            one.close()
            self.start_indexer(wait=False)

    def kill_part(self, name: str) -> None:
        child = self.stack.processes.find(name)
        assert child is not None
        process = child.process()
        assert process is not None
        process.kill()
        process.wait(10)

    def moment(self, most_s: float = 2.5) -> None:
        pause(self.chance.uniform(0.2, most_s))

    @contextmanager
    def no_room(self, pid: int) -> Iterator[None]:
        """No file of the process can grow: what a full disk is to it."""
        process = psutil.Process(pid)
        before = process.rlimit(psutil.RLIMIT_FSIZE)
        process.rlimit(psutil.RLIMIT_FSIZE, (0, before[1]))
        try:
            yield
        finally:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                process.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, before[1]))


def judge(
    installation: Installation,
    fault: str,
    times: int,
    break_it: Callable[[Installation], None],
    ends: Callable[[], None] = lambda: None,
    **load: int,
) -> tuple[Verdict, Audited]:
    """Break an installation under load so many times, let it recover, and hold it against the log.

    Recovery ends when the last record that was sent is committed. `ends` is done after the last one.
    """
    settings = installation.settings
    installation.start_indexer()
    index = wiring.index(settings)
    watcher = Watcher(index, collection_name(DEFAULT_MODEL_DIR.name, settings.collection_prefix))
    sender = Load(settings, installation.chance.randrange(10**9), **load)
    sender.start()
    watcher.start()
    recovery_s = 0.0
    for _ in range(times):
        installation.moment()
        break_it(installation)
        recovery_s = max(recovery_s, _recovered(installation, sender))
    ends()
    sender.finish()
    _settle(installation)
    found = audited(settings)
    for one in list(installation.indexers):
        installation.indexers.remove(one)
        assert one.terminate() == 0, one.log.read_text()
    seen = watcher.finish()
    index.close()
    back, flickered = len(seen.set_back), len(seen.flickered)
    lost, stale = _compare(settings)
    return Verdict(fault, times, sender.sent, lost, stale, back, flickered, found.repeated, recovery_s), found


def _recovered(installation: Installation, sender: Load) -> float:
    """Seconds until what was sent by now is searchable."""
    began, sent = time.monotonic(), sender.sent
    wait_until(lambda: _done(installation) >= sent, bool, RECOVERY_S)
    return time.monotonic() - began


def _done(installation: Installation) -> int:
    installation.revive()
    try:
        return _ends(installation.settings) - waiting(installation.settings)
    except Unavailable:
        return -1


def _ends(settings: Settings) -> int:
    from streams.topic_reader import topic_ends

    return sum(sum(topic_ends(settings.kafka_client(), t.name).values()) for t in wiring.topics(settings).inputs)


def _settle(installation: Installation) -> None:
    def left() -> int:
        installation.revive()
        try:
            return waiting(installation.settings)
        except Unavailable:
            return -1

    wait_until(left, lambda count: count == 0, RECOVERY_S)


def _compare(settings: Settings) -> tuple[int, int]:
    """Profiles that are not in the index though they should be; and those that are, with something else."""
    wanted = expected(settings)
    index = wiring.index(settings)
    name = collection_name(DEFAULT_MODEL_DIR.name, settings.collection_prefix)
    held = dict(index.every_version(name, 10.0))
    index.close()
    lost = [profile_id for profile_id in wanted if profile_id not in held]
    stale = [p for p, version in held.items() if p not in wanted or wanted[p][0] != version]
    return len(lost), len(stale)
