"""What the demo does, step by step, and the figures it takes on the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from distill.synthetic import SyntheticProfile, synthetic_changes, synthetic_profiles
from kith import wiring
from kith.commands import local
from kith.commands.demo.freshness import FreshnessProbe, Percentiles
from kith.deadline import Deadline
from kith.errors import PartFailed
from kith.services.process import ProcessTable, pause, telling_line
from kith.settings import Settings
from schemas.records import Operation, Profile, ProfileChange
from schemas.search_records import SearchReply, SearchRequest
from streams.clock import now_ms
from streams.produce import ProduceReport, Watch, produce
from streams.sources.items import Parsed

_ASK_S = 10.0
_LOAD_S = 900.0
_SEEN_S = 20.0

Progress = Callable[[int], None]


@dataclass(slots=True)
class World:
    """What the source of profiles knows: every live profile, and what its person does."""

    profiles: dict[str, Profile] = field(default_factory=dict)
    occupations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Load:
    """The first load: profiles, and seconds from the first one sent to the last one searchable."""

    profiles: int
    seconds: float


class Story:
    """Runs against a stack that is up.

    Args:
        seed: of the profiles and of their changes.
    """

    def __init__(self, settings: Settings, seed: int) -> None:
        self._settings = settings
        self._seed = seed
        self._topics = wiring.topics(settings)
        self._codec = wiring.codec(settings)
        self._publisher = wiring.publisher(settings)
        self._index = wiring.index(settings)
        self._processes = ProcessTable(settings.state_dir)
        self._collection = wiring.live_collection(settings, self._index).name
        self._client = wiring.search_client(settings)
        self._made: list[SyntheticProfile] = []
        self.world = World()

    def close(self) -> None:
        """Drop the connections."""
        self._client.close()
        self._codec.close()
        self._index.close()

    def ask(self, request: SearchRequest) -> SearchReply:
        """One search over the bus."""
        return self._client.ask(request, _ASK_S)

    def load(self, count: int, sent: Progress, searchable: Progress) -> Load:
        """Stream profiles and wait until the index holds every one.

        Raises:
            PartFailed: the index did not hold them in time.
        """
        self._made = list(synthetic_profiles(count, self._seed))
        for made in self._made:
            self.world.profiles[made.profile_id] = made.profile
            self.world.occupations[made.profile_id] = made.occupation_id
        started = time.monotonic()
        watch = Watch(on_progress=lambda report: sent(report.sent))
        self._produce((_change(made.profile_id, made.profile) for made in self._made), watch=watch)
        self._wait_for_count(count, searchable)
        return Load(count, time.monotonic() - started)

    def trickle(self, count: int, rate: float, sent: Progress) -> Percentiles:
        """Change, add and delete profiles at `rate` a second, and watch each until a search shows it."""
        probe = FreshnessProbe(self.ask)
        done = threading.Event()

        def changes() -> Iterator[ProfileChange]:
            for made in synthetic_changes(self._made, count, self._seed):
                change = _change(made.profile_id, made.profile)
                self._remember(change)
                yield change

        def send() -> None:
            try:
                watch = Watch(on_progress=lambda report: sent(report.sent))
                self._produce(_watched(_paced(changes(), rate), probe), watch=watch)
            finally:
                done.set()

        sender = threading.Thread(target=send, name="trickle")
        sender.start()
        freshness = probe.search_until(done.is_set, _SEEN_S)
        sender.join()
        return freshness

    def missing(self) -> int:
        """How many profiles the index holds too few (or, below 0, too many)."""
        return len(self.world.profiles) - self._count()

    def _remember(self, change: ProfileChange) -> None:
        if change.profile is None:
            del self.world.profiles[change.profile_id]
        else:
            self.world.profiles[change.profile_id] = change.profile

    def _produce(self, changes: Iterable[ProfileChange], watch: Watch) -> ProduceReport:
        report = produce(
            (Parsed(line, change, b"", 0) for line, change in enumerate(changes, start=1)),
            self._publisher,
            self._codec,
            self._topics,
            max_record_bytes=self._settings.max_record_bytes,
            watch=watch,
        )
        if report.rejected:
            raise PartFailed(f"{report.rejected} synthetic profiles were refused: {report.rejections[0].reason}")
        return report

    def _wait_for_count(self, count: int, searchable: Progress) -> None:
        deadline = Deadline.after(_LOAD_S)
        while (held := self._count()) < count:
            self._require_alive()
            if deadline.expired():
                raise PartFailed(f"Only {held} of {count} profiles are searchable after {_LOAD_S:.0f} s.")
            searchable(held)
            pause(1.0)
        searchable(held)

    def _require_alive(self) -> None:
        """A process that ended would leave the demo waiting for nothing."""
        for name in local.WORKERS:
            child = self._processes.find(name)
            if child is None or not child.alive():
                why = telling_line(child) if child else "it was not started"
                raise PartFailed(f"The {name} ended: {why}", f"Its log is {child.log_file}." if child else "")

    def _count(self) -> int:
        return self._index.count(self._collection, _ASK_S)


def _change(profile_id: str, profile: Profile | None) -> ProfileChange:
    now = now_ms()
    operation = Operation.DELETE if profile is None else Operation.UPSERT
    return ProfileChange(profile_id, now, now, operation, "demo", profile)


def _paced(changes: Iterable[ProfileChange], rate: float) -> Iterator[ProfileChange]:
    """Changes as a source would have them: each happens when its time has come."""
    started = time.monotonic()
    for number, change in enumerate(changes):
        pause(max(0.0, started + number / rate - time.monotonic()))
        now = now_ms()
        yield ProfileChange(change.profile_id, now, now, change.operation, change.source, change.profile)


def _watched(changes: Iterable[ProfileChange], probe: FreshnessProbe) -> Iterator[ProfileChange]:
    for change in changes:
        probe.watch(change)
        yield change
