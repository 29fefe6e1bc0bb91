"""Random logs, batches and crashes: the index ends as the model says, and no record changes its outcome."""

import asyncio
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from schemas.codec import Codec
from schemas.records import Operation, Outcome, Profile, ProfileChange
from schemas.topics import Topics
from streams.back_pressure import BackPressure
from streams.decode import Decoder
from streams.incoming import Incoming
from streams.index_profiles import BatchBounds, ProfileIndexing
from streams.known_profiles import KnownProfiles
from tests.fakes_bus import DictIndexer, ListEffects, ListPublisher, MemoryRegistry, MemoryTable

IDS = st.sampled_from(["a", "b", "c"])
VERSIONS = st.integers(0, 5)
TEXTS = st.sampled_from(["Roofer", "Baker", "Diver"])
NEVER = 10**6


class Crash(Exception):
    """The process dies here."""


@dataclass
class Fuse:
    """Dies at the n-th thing that is done to the world."""

    left: int = NEVER

    def burn(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Crash


class Indexer(DictIndexer):
    def __init__(self, fuse):
        super().__init__()
        self.fuse = fuse

    async def apply(self, batch, deadline):
        done = []
        for operation in batch:
            self.fuse.burn()
            done.append(self._one(operation))
        self.fuse.burn()
        return done


class Effects(ListEffects):
    def __init__(self, fuse):
        super().__init__()
        self.fuse = fuse

    async def publish(self, settled):
        for item in settled:
            self.fuse.burn()
            self.published.append(item)
        self.fuse.burn()


class Changelog(ListPublisher):
    def __init__(self, fuse):
        super().__init__()
        self.fuse = fuse

    def publish(self, records, deadline):
        for record in records:
            self.fuse.burn()
            self.published.append(record)
        self.fuse.burn()
        return {(record.topic, record.partition): len(self.published) for record in records}


@dataclass
class Model:
    """One record at a time, in the order of the log."""

    known: dict[str, tuple[int, Profile | None]] = field(default_factory=dict)

    def take(self, id_: str, change: ProfileChange | None) -> None:
        version, profile = self.known.get(id_, (None, None))
        if change is None:
            self.known[id_] = (-1 if version is None else version, None)
            return
        if version is not None and change.version <= version:
            return
        if change.operation is Operation.PATCH:
            if profile is not None:
                merged = {name: getattr(change.profile, name) for name in change.changed}
                self.known[id_] = (change.version, Profile(profile.name, merged.get("headline", profile.headline)))
            return
        self.known[id_] = (change.version, change.profile)


class Accounting(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.registry = MemoryRegistry()
        self.codec = Codec(self.registry)
        self.fuse = Fuse()
        self.indexer, self.effects, self.changelog = Indexer(self.fuse), Effects(self.fuse), Changelog(self.fuse)
        self.log: list[tuple[bytes, bytes | None]] = []
        self.model = Model()
        self.acknowledged: set[int] = set()
        self.committed = self.position = 0
        self._restart()

    def _restart(self):
        """A new process: the table comes back from the changelog, the position from the commit."""
        self.table = MemoryTable()
        for offset, entry in enumerate(self.changelog.published):
            self.table.put(entry.partition, {entry.key: entry.value}, offset)
        known = KnownProfiles(
            lambda: self.table, self.codec, self.changelog, Topics().state, lambda: {"changes": "id-1"}, timeout_s=5
        )
        bounds = BatchBounds(max_records=2, max_tokens=10_000, apply_timeout_s=5)
        self.indexing = ProfileIndexing(
            Decoder(self.codec, 20_000), known, self.indexer, self.effects, BackPressure(0.01, 1), bounds
        )
        self.position = self.committed

    def _append(self, id_, change):
        value = None if change is None else self.codec.encode("changes-value", change)
        self.log.append((id_.encode(), value))
        self.model.take(id_, change)

    @rule(id_=IDS, version=VERSIONS, text=TEXTS)
    def change(self, id_, version, text):
        self._append(id_, ProfileChange(id_, version, 1, Operation.UPSERT, None, Profile("Ann", headline=text)))

    @rule(id_=IDS, version=VERSIONS, text=TEXTS)
    def patch(self, id_, version, text):
        patched = Profile("ignored", headline=text)
        self._append(id_, ProfileChange(id_, version, 1, Operation.PATCH, None, patched, ["headline"]))

    @rule(id_=IDS, version=VERSIONS)
    def delete(self, id_, version):
        self._append(id_, ProfileChange(id_, version, 1, Operation.DELETE))

    @rule(id_=IDS)
    def tombstone(self, id_):
        self._append(id_, None)

    @rule(data=st.data())
    def duplicate(self, data):
        if self.log:
            key, value = self.log[data.draw(st.integers(0, len(self.log) - 1))]
            self._append(key.decode(), None if value is None else self.codec.decode(value, ProfileChange))

    @rule(size=st.integers(1, 6), dies_after=st.integers(0, 25), lag=st.integers(0, 4))
    def batch(self, size, dies_after, lag):
        self.fuse.left = dies_after
        try:
            self._settle(size)
        except Crash:
            self.fuse.left = NEVER
            self._commit(lag)
            self._restart()
        self.fuse.left = NEVER

    @rule(lag=st.integers(0, 4))
    def restart(self, lag):
        self._commit(lag)
        self._restart()

    @rule()
    def drain(self):
        while self.position < len(self.log):
            self._settle(5)
        held = {i: (o.version, o.fields.headline, o.fields.name) for i, o in self.indexer.held.items()}
        assert held == {i: (v, p.headline, p.name) for i, (v, p) in self._alive().items()}
        assert set(self._outcomes()) == set(range(len(self.log)))

    @rule()
    def read_everything_again(self):
        """Another reader of the same state from the beginning embeds nothing and says nothing new."""
        self.drain()
        embedded, said = len(self.indexer.embedded), self._outcomes()
        self.position = 0
        while self.position < len(self.log):
            self._settle(5)
        assert len(self.indexer.embedded) == embedded
        assert self._outcomes() == said

    @invariant()
    def no_record_changes_its_outcome(self):
        assert all(len(said) == 1 for said in self._outcomes().values())

    def _settle(self, size):
        batch = [
            Incoming("changes", 0, offset, *self.log[offset])
            for offset in range(self.position, min(len(self.log), self.position + size))
        ]
        if not batch:
            return

        async def acknowledge(records):
            self.acknowledged |= {record.offset for record in records}

        asyncio.run(self.indexing.settle(batch, acknowledge))
        self.position += len(batch)

    def _commit(self, lag):
        """Kafka holds the offset up to which everything was acknowledged, or one from a while before."""
        through = self.committed
        while through in self.acknowledged:
            through += 1
        self.committed = max(self.committed, through - lag)
        self.acknowledged = {offset for offset in self.acknowledged if offset >= self.committed}

    def _outcomes(self):
        said: dict[int, set[Outcome]] = {}
        for item in self.effects.published:
            said.setdefault(item.incoming.offset, set()).add(item.outcome)
        return said

    def _alive(self):
        return {i: state for i, state in self.model.known.items() if state[1] is not None}


Accounting.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAccounting = Accounting.TestCase
