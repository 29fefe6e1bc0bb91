import asyncio
from dataclasses import replace

import pytest

from kith import metrics
from kith.errors import Unavailable
from schemas.codec import Codec
from schemas.records import Operation, Outcome, Profile, ProfileChange, Stage
from schemas.topics import Topics
from streams.back_pressure import BackPressure
from streams.decode import Decoder
from streams.incoming import Incoming
from streams.index_profiles import BatchBounds, ProfileIndexing
from streams.known_profiles import KnownProfiles
from tests.fakes_bus import DictIndexer, ListEffects, ListPublisher, MemoryRegistry, MemoryTable
from workers.contract import Refresh
from workers.render import render

LIMIT = 20_000


class Bench:
    """The path from bytes to outcomes, on parts that live in memory."""

    def __init__(self, give_up_s: float = 10.0) -> None:
        self.registry = MemoryRegistry()
        self.codec = Codec(self.registry)
        self.indexer = DictIndexer()
        self.effects = ListEffects()
        self.acknowledged: list[int] = []
        self.end = 0
        self.table = MemoryTable()
        self.publisher = ListPublisher()
        self._give_up_s = give_up_s
        self.restart()

    def restart(self) -> None:
        """A new process on the same table and the same index."""
        known = KnownProfiles(
            lambda: self.table, self.codec, self.publisher, Topics().state, lambda: {"changes": "id-1"}, timeout_s=5
        )
        self.indexing = ProfileIndexing(
            Decoder(self.codec, LIMIT),
            known,
            self.indexer,
            self.effects,
            BackPressure(0.01, self._give_up_s),
            BatchBounds(max_records=4, max_tokens=10_000, apply_timeout_s=5),
            render=render,
        )

    def upsert(self, profile_id: str, version: int = 1, name: str = "Ada") -> tuple[bytes, bytes]:
        record = ProfileChange(profile_id, version, 1_000, Operation.UPSERT, None, Profile(name, headline="Engineer"))
        return profile_id.encode(), self.codec.encode("changes-value", record)

    async def settle(self, *records: tuple[bytes | None, bytes | None], bulk: bool = False) -> dict[int, Outcome]:
        incoming = [Incoming("changes", 0, self.end + n, key, value, bulk) for n, (key, value) in enumerate(records)]
        self.end += len(records)

        async def acknowledge(done):
            published = {item.incoming.offset for item in self.effects.published}
            assert {record.offset for record in done} <= published, "acknowledged before its effects stood"
            self.acknowledged.extend(record.offset for record in done)

        await self.indexing.settle(await self.indexing.decide(incoming), acknowledge)
        return {item.incoming.offset: item.outcome for item in self.effects.published}


async def test_every_record_has_one_outcome_and_is_acknowledged_once():
    bench = Bench()
    records = [bench.upsert(f"p{i}") for i in range(9)]
    outcomes = await bench.settle(*records)
    assert outcomes == dict.fromkeys(range(9), Outcome.INDEXED)
    assert sorted(bench.acknowledged) == list(range(9))
    assert max(len(batch) for batch in bench.indexer.batches) <= 4


async def test_only_the_newest_of_a_profile_is_worked_on():
    bench = Bench()
    outcomes = await bench.settle(bench.upsert("p", 1), bench.upsert("p", 3), bench.upsert("p", 2))
    assert outcomes == {0: Outcome.INDEXED, 1: Outcome.UNCHANGED, 2: Outcome.STALE}
    assert bench.indexer.held["p"].version == 3
    assert bench.indexer.batches == [["p"]]


async def test_a_change_of_nothing_but_the_visibility_reaches_the_index_without_embedding():
    bench = Bench()
    await bench.settle(bench.upsert("p"))
    hidden = ProfileChange("p", 2, 1_000, Operation.PATCH, None, Profile("Ada", visibility="board"), ["visibility"])

    outcomes = await bench.settle((b"p", bench.codec.encode("changes-value", hidden)))

    assert outcomes[1] is Outcome.UNCHANGED
    held = bench.indexer.held["p"]
    assert (type(held), held.version, held.fields.visibility) == (Refresh, 2, "board")
    assert held.fields.headline == "Engineer"


async def test_delete_and_tombstone_take_the_profile_out():
    bench = Bench()
    await bench.settle(bench.upsert("a"), bench.upsert("b"))
    deletion = ProfileChange("a", 2, 1_000, Operation.DELETE)
    bench.effects.published.clear()
    outcomes = await bench.settle((b"a", bench.codec.encode("changes-value", deletion)), (b"b", None))
    assert outcomes == {2: Outcome.DELETED, 3: Outcome.DELETED}
    assert bench.indexer.held == {}


@pytest.mark.parametrize(
    ("key", "value", "stage", "said"),
    [
        (b"p", b"", Stage.DECODE, "too short"),
        (b"p", b"\x07garbage", Stage.DECODE, "magic byte"),
        (b"p", b"\x00\x00\x00\x00\x63rest", Stage.DECODE, "no schema with id 99"),
        (b"p", b"\x00\x00\x00\x00\x01\xff\xff", Stage.DECODE, "under schema 1"),
        (None, None, Stage.VALIDATE, "no key"),
        (b"\xff\xfe", None, Stage.VALIDATE, "not UTF-8"),
        (b"p", b"\x00" * (LIMIT + 1), Stage.VALIDATE, "max_record_bytes"),
    ],
)
async def test_what_can_never_be_read_is_dead_lettered_with_reason_and_bytes_and_harms_no_other(
    key, value, stage, said
):
    bench = Bench()
    good = bench.upsert("good")
    outcomes = await bench.settle(good, (key, value), bench.upsert("other"))
    assert outcomes == {0: Outcome.INDEXED, 1: Outcome.DEAD_LETTERED, 2: Outcome.INDEXED}
    letter = next(item.letter for item in bench.effects.published if item.letter)
    assert (letter.stage, letter.key, letter.value, letter.offset) == (stage, key, value, 1)
    assert said in letter.message
    assert sorted(bench.acknowledged) == [0, 1, 2]


async def test_a_key_that_is_not_the_profile_id_is_refused_because_ownership_hangs_on_it():
    bench = Bench()
    _, value = bench.upsert("p")
    assert await bench.settle((b"q", value)) == {0: Outcome.DEAD_LETTERED}


async def test_a_record_that_the_index_refuses_is_dead_lettered_alone():
    bench = Bench()
    bench.indexer.poisoned.add("bad")
    outcomes = await bench.settle(bench.upsert("a"), bench.upsert("bad"), bench.upsert("b"))
    assert outcomes == {0: Outcome.INDEXED, 1: Outcome.DEAD_LETTERED, 2: Outcome.INDEXED}


async def test_what_is_only_unavailable_is_waited_for_and_never_dead_lettered():
    bench = Bench()
    bench.indexer.outages = 3
    bench.effects.outages = 2
    assert await bench.settle(bench.upsert("a")) == {0: Outcome.INDEXED}
    assert bench.acknowledged == [0]


async def test_a_registry_that_is_away_stops_nothing_for_good():
    bench = Bench(give_up_s=0.05)
    record = bench.upsert("a")
    bench.registry.away = True
    with pytest.raises(Unavailable):
        await bench.settle(record)
    assert bench.acknowledged == []
    bench.registry.away = False
    assert await bench.settle(record) == {1: Outcome.INDEXED}


class CrashError(Exception):
    pass


@pytest.mark.parametrize("later", [1, 2, 3])
async def test_a_crash_before_the_table_knew_sets_nothing_back_however_the_records_are_cut_again(later):
    bench = Bench()
    await bench.settle(bench.upsert("p", 1))
    changes = [bench.upsert("p", 2, "Ada B"), bench.upsert("p", 3, "Ada C"), bench.upsert("p", 4, "Ada D")]

    async def crash(_settled):
        raise CrashError

    bench.effects.keep_vectors, kept = crash, bench.effects.keep_vectors
    with pytest.raises(CrashError):
        await bench.settle(*changes)
    bench.effects.keep_vectors = kept
    assert bench.indexer.held["p"].version == 4
    bench.restart()
    bench.end -= 3
    for cut in (changes[:later], changes[later:]):
        if cut:
            await bench.settle(*cut)
            assert bench.indexer.held["p"].version == 4
    assert len(bench.acknowledged) == 4


async def test_what_the_index_holds_is_read_before_the_turn_and_an_outage_is_waited_for():
    bench = Bench()
    bench.indexer.look_up_outages = 2
    key, value = bench.upsert("p")
    decided = await bench.indexing.decide([Incoming("changes", 0, 0, key, value)])
    (held,) = await asyncio.gather(*(piece.held for piece in decided.pieces))
    assert (bench.indexer.looked_up, bench.indexer.batches) == ([["p"]], [])
    assert list(held.vectors) == bench.indexer.embedded, "and it is embedded once, whatever was away"


async def test_a_request_to_reindex_sets_right_what_is_newer_than_the_log_as_the_first_thing_of_a_process():
    bench = Bench()
    await bench.settle(bench.upsert("p", 2))
    bench.indexer.held["p"] = replace(bench.indexer.held["p"], version=9)
    bench.restart()
    asked = ProfileChange("p", 0, 1_000, Operation.REINDEX)
    await bench.settle((b"p", bench.codec.encode("changes-value", asked)))
    assert bench.indexer.held["p"].version == 2


def counted(metric, **labels) -> float:
    return metric.labels(**labels)._value.get()


async def test_the_bulk_lane_says_nothing_of_how_fresh_the_index_is():
    bench = Bench()
    before = metrics.FRESHNESS_SECONDS._sum.get()
    await bench.settle(bench.upsert("late"), bulk=True)
    assert metrics.FRESHNESS_SECONDS._sum.get() == before
    await bench.settle(bench.upsert("live"))
    assert metrics.FRESHNESS_SECONDS._sum.get() > before


async def test_a_dead_letter_is_counted_by_the_stage_that_refused_it():
    bench = Bench()
    before = {stage: counted(metrics.DEAD_LETTERS, stage=stage.value) for stage in Stage}
    await bench.settle((b"p", b"no record"), bench.upsert("q"))
    after = {stage: counted(metrics.DEAD_LETTERS, stage=stage.value) for stage in Stage}
    assert after == before | {Stage.DECODE: before[Stage.DECODE] + 1}
