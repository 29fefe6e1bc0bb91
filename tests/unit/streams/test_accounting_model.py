"""Random logs, batches and crashes: the index ends as the model says, and no record changes its outcome."""

import asyncio
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from schemas.codec import Codec
from schemas.records import Operation, Outcome, Profile, ProfileChange, ProfileState
from schemas.topics import Topics
from streams.back_pressure import BackPressure
from streams.decode import Decoder
from streams.incoming import Incoming
from streams.index_profiles import BatchBounds, ProfileIndexing
from streams.known_profiles import KnownProfiles, is_profile
from tests.fakes_bus import DictIndexer, ListEffects, ListPublisher, MemoryRegistry, MemoryTable
from workers.render import render

IDS = st.sampled_from(["a", "b"])
VERSIONS = st.integers(0, 3)
TEXTS = st.sampled_from(["Roofer", "Baker", "Diver"])
LANES = st.booleans()  # the bulk lane or not, where the machine has one
SIZES = st.tuples(st.integers(0, 4), st.integers(0, 4))
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
        self.newest = {}

    def _watch(self, profile_id):
        """While a profile is searchable its version never falls, not even until the next batch."""
        if profile_id not in self.held:
            self.newest.pop(profile_id, None)
            return
        version = self.held[profile_id].version
        assert version >= self.newest.get(profile_id, version), f"{profile_id} was set back to {version}"
        self.newest[profile_id] = version

    async def apply(self, batch, deadline, held):
        done = []
        for operation in batch:
            self.fuse.burn()
            done.append(self._one(operation, operation.profile_id in held.newer, held.vectors))
            self._watch(operation.profile_id)
        self.fuse.burn()
        return done


class Effects(ListEffects):
    def __init__(self, fuse):
        super().__init__()
        self.fuse = fuse
        self.vectors = {}

    async def keep_vectors(self, settled):
        for item in settled:
            self.fuse.burn()
            if item.outcome is Outcome.DELETED:
                self.vectors.pop(item.profile_id, None)
            elif item.vector is not None:
                self.vectors[item.profile_id] = item.text
        self.fuse.burn()

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


@dataclass
class Lane:
    """A topic of one partition: its records, how far it is read, acknowledged and committed."""

    topic: str
    bulk: bool
    log: list[tuple[bytes, bytes | None]] = field(default_factory=list)
    acknowledged: set[int] = field(default_factory=set)
    committed: int = 0
    position: int = 0

    def next(self, size):
        return [
            Incoming(self.topic, 0, offset, *self.log[offset], self.bulk)
            for offset in range(self.position, min(len(self.log), self.position + size))
        ]

    def commit(self, lag):
        """Kafka holds the offset up to which everything was acknowledged, or one from a while before."""
        through = self.committed
        while through in self.acknowledged:
            through += 1
        self.committed = max(self.committed, through - lag)
        self.acknowledged = {offset for offset in self.acknowledged if offset >= self.committed}


class Accounting(RuleBasedStateMachine):
    has_bulk_lane = False

    def __init__(self):
        super().__init__()
        self.registry = MemoryRegistry()
        self.codec = Codec(self.registry)
        self.fuse = Fuse()
        self.indexer, self.effects, self.changelog = Indexer(self.fuse), Effects(self.fuse), Changelog(self.fuse)
        self.lanes = Lane("changes", bulk=False), Lane("backfill", bulk=True)
        self._restart()

    def _restart(self):
        """A new process: the table comes back from the changelog, the positions from the commits."""
        self.table = MemoryTable()
        for offset, entry in enumerate(self.changelog.published):
            self.table.put(entry.partition, {entry.key: entry.value}, offset)
        ids = {lane.topic: f"id of {lane.topic}" for lane in self.lanes}
        known = KnownProfiles(lambda: self.table, self.codec, self.changelog, Topics().state, lambda: ids, timeout_s=5)
        bounds = BatchBounds(max_records=2, max_tokens=10_000, apply_timeout_s=5)
        self.indexing = ProfileIndexing(
            Decoder(self.codec, 20_000),
            known,
            self.indexer,
            self.effects,
            BackPressure(0.01, 1),
            bounds,
            render=render,
        )
        for lane in self.lanes:
            lane.position = lane.committed

    def _append(self, id_, change, bulk):
        value = None if change is None else self.codec.encode("changes-value", change)
        self._lane(bulk).log.append((id_.encode(), value))

    def _lane(self, bulk):
        return self.lanes[bulk and self.has_bulk_lane]

    @rule(id_=IDS, version=VERSIONS, text=TEXTS, bulk=LANES)
    def change(self, id_, version, text, bulk):
        self._append(id_, ProfileChange(id_, version, 1, Operation.UPSERT, None, Profile("Ann", headline=text)), bulk)

    @rule(id_=IDS, version=VERSIONS, text=TEXTS, bulk=LANES)
    def patch(self, id_, version, text, bulk):
        patched = Profile("ignored", headline=text)
        self._append(id_, ProfileChange(id_, version, 1, Operation.PATCH, None, patched, ["headline"]), bulk)

    @rule(id_=IDS, version=VERSIONS, bulk=LANES)
    def delete(self, id_, version, bulk):
        self._append(id_, ProfileChange(id_, version, 1, Operation.DELETE), bulk)

    @rule(id_=IDS)
    def tombstone(self, id_):
        self._append(id_, None, bulk=False)

    @rule(data=st.data(), bulk=LANES)
    def duplicate(self, data, bulk):
        """Sent again, or replayed on the bulk lane."""
        if log := self.lanes[0].log:
            self._lane(bulk).log.append(log[data.draw(st.integers(0, len(log) - 1))])

    @rule(sizes=SIZES)
    def batch(self, sizes):
        self._settle(*sizes)

    @rule(sizes=SIZES, dies_after=st.integers(0, 20), lag=st.integers(0, 2), then=SIZES)
    def crash(self, sizes, dies_after, lag, then):
        """In the middle of a batch; what comes next is cut in another way."""
        self.fuse.left = dies_after
        try:
            self._settle(*sizes)
        except Crash:
            self._crash(lag)
        self.fuse.left = NEVER
        self._settle(*then)

    @rule(
        sizes=SIZES,
        then=SIZES,
        dies_after=st.one_of(st.just(NEVER), st.integers(0, 20)),
        again=st.integers(0, 2),
        lost=st.booleans(),
    )
    def ahead(self, sizes, then, dies_after, again, lost):
        """A batch is decided while the one before has its turn; some of it came twice, or partitions were lost."""
        self.fuse.left = dies_after
        try:
            self._settle_ahead(sizes, then, again, lost)
        except Crash:
            self._crash(0)
        self.fuse.left = NEVER

    @rule(lag=st.integers(0, 4))
    def restart(self, lag):
        self._crash(lag)

    @rule()
    def drain(self):
        while any(lane.position < len(lane.log) for lane in self.lanes):
            self._settle(5, 5)
        known = self._known()
        alive = {i: (state.version, state.profile) for i, state in known.items() if state.profile is not None}
        held = {i: (o.version, o.fields.headline, o.fields.name) for i, o in self.indexer.held.items()}
        assert held == {i: (v, p.headline, p.name) for i, (v, p) in alive.items()}
        assert self.effects.vectors == {i: render(p) for i, (_v, p) in alive.items()}
        self._hold_against_the_log(known)
        assert set(self._outcomes()) == {(lane.topic, n) for lane in self.lanes for n in range(len(lane.log))}

    @rule()
    def read_everything_again(self):
        """Another reader of the same state from the beginning embeds nothing and says nothing new."""
        self.drain()
        embedded, said = len(self.indexer.embedded), self._outcomes()
        for lane in self.lanes:
            lane.position = 0
        while any(lane.position < len(lane.log) for lane in self.lanes):
            self._settle(5, 5)
        assert len(self.indexer.embedded) == embedded
        assert self._outcomes() == said

    @invariant()
    def no_record_changes_its_outcome(self):
        assert all(len(said) == 1 for said in self._outcomes().values())

    def _settle(self, *sizes):
        if records := self._take(sizes):

            async def settle():
                await self.indexing.settle(await self.indexing.decide(records), self._acknowledge)

            asyncio.run(settle())

    def _settle_ahead(self, sizes, then, again, lost):
        first = self._take(sizes)
        for lane in self.lanes:
            lane.position = max(lane.committed, lane.position - again)
        second = self._take(then)

        async def settle():
            one, two = await self.indexing.decide(first), await self.indexing.decide(second)
            await self.indexing.settle(one, self._acknowledge)
            if lost:
                self.indexing.forget()
            await self.indexing.settle(two, self._acknowledge)

        asyncio.run(settle())

    def _take(self, sizes):
        taken = [lane.next(size) for lane, size in zip(self.lanes, sizes, strict=True)]
        for lane, part in zip(self.lanes, taken, strict=True):
            lane.position += len(part)
        return [record for part in taken for record in part]

    async def _acknowledge(self, records):
        for record in records:
            self.lanes[record.bulk].acknowledged.add(record.offset)

    def _crash(self, lag):
        self.fuse.left = NEVER
        for lane in self.lanes:
            lane.commit(lag)
        self._restart()

    def _outcomes(self):
        said: dict[tuple[str, int], set[Outcome]] = {}
        for item in self.effects.published:
            said.setdefault((item.incoming.topic, item.incoming.offset), set()).add(item.outcome)
        return said

    def _known(self):
        """What the table says of each profile."""
        held = self.table.held.get(0, {})
        return {key.decode(): self.codec.decode(v, ProfileState).known for key, v in held.items() if is_profile(key)}

    def _changes(self, lane):
        """Each record of a lane that can be read, with its place."""
        for offset, (key, value) in enumerate(lane.log):
            change = None if value is None else self.codec.decode(value, ProfileChange)
            yield (lane.topic, offset), key.decode(), change

    def _hold_against_the_log(self, known):
        """With one lane, what is known is what a model makes of the log."""
        model = Model()
        for _place, id_, change in self._changes(self.lanes[0]):
            model.take(id_, change)
        assert {i: (state.version, state.profile) for i, state in known.items()} == model.known


class TwoLanes(Accounting):
    """Replays and other changes on the bulk lane, beside live ones, in any interleaving."""

    has_bulk_lane = True

    @rule(id_=IDS)
    def reindex(self, id_):
        self._append(id_, ProfileChange(id_, 0, 1, Operation.REINDEX), bulk=True)

    def _hold_against_the_log(self, known):
        """No order is given between lanes; but nothing older may stand over anything newer."""
        newest: dict[str, int] = {}
        outcomes = self._outcomes()
        for lane in self.lanes:
            for place, id_, change in self._changes(lane):
                if change is None or change.operation is Operation.REINDEX:
                    newest.setdefault(id_, -1)
                elif outcomes[place] != {Outcome.DEAD_LETTERED}:
                    newest[id_] = max(newest.get(id_, -1), change.version)
        assert {i: state.version for i, state in known.items()} == newest


for machine in (Accounting, TwoLanes):
    machine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAccounting = Accounting.TestCase
TestTwoLanes = TwoLanes.TestCase
