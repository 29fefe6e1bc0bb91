"""The agent's work on one micro-batch: decode, decide, apply, effects, table, acknowledge."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import structlog

from kith import metrics, traces
from kith.deadline import Deadline
from kith.errors import InputError
from schemas.records import KnownProfile, Outcome, Stage
from streams import record_spans
from streams.ahead import Decided, Piece, Turns
from streams.back_pressure import BackPressure
from streams.batch import bounded, estimated_tokens
from streams.clock import now_ms
from streams.dead_letters import dead_letter
from streams.decode import Decoder
from streams.effects import Effects, Settled
from streams.fields import profile_fields
from streams.gate import Kind, Work, plan
from streams.incoming import Change, Incoming, Unreadable
from streams.known_profiles import KnownProfiles
from workers import contract
from workers.contract import Applied, Delete, Embedded, Held, Indexer, Refresh, Rejected, Upsert, Vectors
from workers.render import Renderer

_DoneT = TypeVar("_DoneT")

log = structlog.get_logger(__name__)

# What is waited for, as the metric and /readyz name it.
PARTS = ("registry", "index", "kafka", "table")

# Looked up once; and a series that begins with its first event hides that event from every rate.
_RECORDS = {outcome: metrics.RECORDS.labels(outcome=outcome.value) for outcome in Outcome}

Acknowledge = Callable[[Sequence[Incoming]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class BatchBounds:
    """Bounds of one piece of work; `apply_timeout_s` in seconds."""

    max_records: int
    max_tokens: int
    apply_timeout_s: float


class ProfileIndexing:
    """Turns incoming records into an index that holds the newest of each, and says what became of every one.

    Args:
        render: profile to text, as the release has it that `indexer` embeds with.
    """

    def __init__(
        self,
        decoder: Decoder,
        known: KnownProfiles,
        indexer: Indexer,
        effects: Effects,
        back_pressure: BackPressure,
        bounds: BatchBounds,
        *,
        render: Renderer,
    ) -> None:
        self._decoder = decoder
        self._known = known
        self._indexer = indexer
        self._effects = effects
        self._back_pressure = back_pressure
        self._bounds = bounds
        self._render = render
        self._began: dict[tuple[str, int], int] = {}
        self._turns = Turns()
        _count_from_zero()

    def forget(self) -> None:
        """Partitions were taken away: when they come back, another process may have worked on them."""
        self._began.clear()
        self._turns.forget()

    async def decide(self, records: Sequence[Incoming]) -> Decided:
        """Decide what becomes of records, and begin to embed and to read, while the batch before has its turn.

        Args:
            records: in order of their offsets within each partition.

        Raises:
            kith.errors.Unavailable: a part stayed away for longer than the back-pressure allows.
        """
        return await self._decide(records, {})

    async def settle(self, decided: Decided, acknowledge: Acknowledge) -> None:
        """Bring a batch to its outcomes. Batches have their turns one after the other, in the order of the log.

        `acknowledge` is awaited with each piece once its effects are published; every record is in exactly one piece.

        Raises:
            kith.errors.Unavailable: a part stayed away for longer than the back-pressure allows; what was not
                acknowledged comes again after a restart.
        """
        metrics.BATCH_RECORDS.observe(len(decided.records))
        embedded = dict[str, Vectors | Rejected]()
        if not self._turns.stands(decided.at, decided.records, decided.changes):
            for piece in decided.pieces:
                embedded |= (await piece.held).vectors
            decided = await self._decide(decided.records, embedded)
        if again := _without(decided.records, decided.fresh):
            await acknowledge(again)
        for piece in decided.pieces:
            await self._apply(piece, acknowledge)
        # What needs no work comes last: its receipts say that something newer is in the index, and by now it is.
        aside = [_dead(item) for item in decided.unreadable]
        aside += [_refused(change, error) for change, error in decided.plan.refused]
        aside += [_ended(change, outcome) for change, outcome in decided.plan.aside]
        await self._finish(aside, {}, {}, acknowledge)
        if decided.fresh:
            await self._patiently("table", lambda: self._known.settled_through(decided.fresh))
        self._turns.settled(decided.records, decided.changes)

    async def _decide(self, records: Sequence[Incoming], embedded: Embedded) -> Decided:
        at = self._turns.now
        unsettled = await self._patiently("table", lambda: self._known.unsettled(records))
        fresh = unsettled.records
        if not fresh:
            return Decided(records, at=at)
        await self._patiently("registry", lambda: self._decoder.learn_schemas(fresh))
        read = [self._decoder.decode(record) for record in fresh]
        changes = [item for item in read if isinstance(item, Change)]
        known = await self._patiently("table", lambda: self._known.read(changes))
        decided = plan(changes, known, self._render, unsettled.outcomes)
        after_crash = self._may_follow_a_crash(fresh)
        pieces = bounded(decided.work, _tokens, self._bounds.max_records, self._bounds.max_tokens)
        return Decided(
            records,
            fresh,
            changes,
            [item for item in read if isinstance(item, Unreadable)],
            decided,
            [self._begun(piece, embedded, after_crash=after_crash) for piece in pieces],
            at,
        )

    def _begun(self, works: Sequence[Work], embedded: Embedded, *, after_crash: bool) -> Piece:
        """Begin to embed what is not embedded yet, and to read what the index holds."""
        operations = [_operation(work) for work in works]
        left = [operation for work, operation in zip(works, operations, strict=True) if work.text not in embedded]
        may_be_ahead = _may_be_ahead(works) if after_crash else frozenset[str]()
        with record_spans.applying(works):
            held = asyncio.create_task(self._held(operations, left, embedded, may_be_ahead), name="embed-piece")
        return Piece(works, operations, held)

    async def _held(
        self,
        operations: Sequence[contract.Change],
        left: Sequence[contract.Change],
        embedded: Embedded,
        may_be_ahead: frozenset[str],
    ) -> Held:
        async def look_up() -> Held:
            return await self._indexer.look_up(operations, self._deadline(), may_be_ahead=may_be_ahead)

        made, held = await asyncio.gather(self._indexer.embed(left), self._patiently("index", look_up))
        return Held({**embedded, **held.vectors, **made}, held.newer)

    def _deadline(self) -> Deadline:
        return Deadline.after(self._bounds.apply_timeout_s)

    def _may_follow_a_crash(self, fresh: Sequence[Incoming]) -> bool:
        """Whether a process before this one may have applied more than the table says, as a crash leaves it.

        It had one batch in work, which began where the table's mark is; this one may cut the same records otherwise.
        """
        for record in fresh:
            self._began.setdefault((record.topic, record.partition), record.offset)
        # Twice, for transactions of a single record each leave a hole after it.
        reach = 2 * self._bounds.max_records
        return any(record.offset < self._began[record.topic, record.partition] + reach for record in fresh)

    async def _apply(self, piece: Piece, acknowledge: Acknowledge) -> None:
        held, started = await piece.held, now_ms()

        async def once() -> Sequence[Applied | Rejected]:
            with record_spans.applying(piece.work):
                return await self._indexer.apply(piece.operations, self._deadline(), held)

        results = await self._patiently("index", once)
        if len(results) != len(piece.work):
            raise AssertionError(f"{len(piece.work)} operations gave {len(results)} results. This is a bug.")
        settled: list[Settled] = []
        known: dict[str, KnownProfile] = {}
        for work, result in zip(piece.work, results, strict=True):
            if isinstance(result, Rejected):
                settled.extend(_rejected(work, result, started))
            else:
                settled.extend(_applied(work, result))
                known[work.profile_id] = work.after
        partitions = {work.profile_id: work.outcomes[-1][0].incoming.partition for work in piece.work}
        await self._finish(settled, known, partitions, acknowledge)

    async def _finish(
        self,
        settled: Sequence[Settled],
        known: Mapping[str, KnownProfile],
        partitions: Mapping[str, int],
        acknowledge: Acknowledge,
    ) -> None:
        if not settled:
            return
        # An outcome is in the table before anybody hears of it: a crash cannot make it another one.
        if known:
            worked_on = [item for item in settled if item.profile_id in known]
            await self._patiently("kafka", lambda: self._effects.keep_vectors(worked_on))
            await self._patiently("table", lambda: self._known.write(known, partitions))
        if aside := [(item.incoming, item.outcome) for item in settled if item.profile_id not in known]:
            await self._patiently("table", lambda: self._known.decide(aside))
        await self._patiently("kafka", lambda: self._effects.publish(settled))
        await acknowledge([item.incoming for item in settled])
        for item in settled:
            _count(item)

    async def _patiently(self, part: str, work: Callable[[], Awaitable[_DoneT]]) -> _DoneT:
        return await self._back_pressure.through(part, work)


def stop_on_failure(task: asyncio.Task[Any]) -> None:
    """End the process when work failed: nothing unacknowledged is lost, and a half-dead agent would look alive.

    Leaving by `os._exit` keeps Faust from acknowledging what it still holds (docs/decisions/0004-faust-semantics.md).
    """
    if task.cancelled() or task.exception() is None:
        return
    _leave(task.exception())


def _leave(error: BaseException | None) -> None:
    log.critical("indexer stops", error=str(error), error_class=type(error).__name__, exc_info=error)
    logging.shutdown()
    os._exit(70)


def _without(records: Sequence[Incoming], fresh: Sequence[Incoming]) -> list[Incoming]:
    kept = {record.place for record in fresh}
    return [record for record in records if record.place not in kept]


def _may_be_ahead(piece: Sequence[Work]) -> frozenset[str]:
    """Profiles that the index may know more of; a request to reindex means what the table knows, whatever is there."""
    return frozenset(
        work.profile_id for work in piece if not any(change.reindexes for change, _outcome in work.outcomes)
    )


def _operation(work: Work) -> contract.Change:
    after = work.after
    if work.kind is Kind.DELETE or after.profile is None or work.text is None:
        return Delete(work.profile_id, max(0, after.version))
    operation = Upsert if work.kind is Kind.EMBED else Refresh
    return operation(work.profile_id, after.version, profile_fields(after.profile, after.occurred_at), work.text)


def _tokens(work: Work) -> int:
    return estimated_tokens(work.text) if work.kind is Kind.EMBED and work.text is not None else 1


def _applied(work: Work, result: Applied) -> list[Settled]:
    """Settled changes of a profile; what was embedded stands at the last one."""
    if result.vector is None:
        return [_ended(change, outcome) for change, outcome in work.outcomes]
    *before, (last, outcome) = work.outcomes
    made = last.incoming, outcome, now_ms(), work.profile_id, work.after.version, _occurred_at(last)
    return [*(_ended(*one) for one in before), Settled(*made, text=work.text, vector=result.vector)]


def _rejected(work: Work, result: Rejected, started: int) -> list[Settled]:
    """Every change that was to be in the index by this is a dead letter."""
    now = now_ms()
    return [
        replace(
            _ended(change, Outcome.DEAD_LETTERED),
            letter=dead_letter(
                change.incoming, result.stage, result.error_class, result.message, first_at=started, now=now
            ),
        )
        for change, _outcome in work.outcomes
    ]


def _refused(change: Change, error: InputError) -> Settled:
    now = now_ms()
    letter = dead_letter(change.incoming, Stage.VALIDATE, type(error).__name__, str(error), first_at=now, now=now)
    return replace(_ended(change, Outcome.DEAD_LETTERED), letter=letter)


def _dead(item: Unreadable) -> Settled:
    return Settled(item.incoming, Outcome.DEAD_LETTERED, item.letter.last_at, letter=item.letter)


def _ended(change: Change, outcome: Outcome) -> Settled:
    return Settled(change.incoming, outcome, now_ms(), change.profile_id, change.version, _occurred_at(change))


def _occurred_at(change: Change) -> int | None:
    return None if change.change is None else change.change.occurred_at


def _count_from_zero() -> None:
    """As `_RECORDS`, of what is counted rarely."""
    for stage in Stage:
        metrics.DEAD_LETTERS.labels(stage=stage.value)
    for part in PARTS:
        metrics.UNAVAILABLE.labels(part=part)


def _count(item: Settled) -> None:
    _RECORDS[item.outcome].inc()
    record_spans.settled(item.incoming, item.outcome, item.letter)
    if item.letter is not None:
        metrics.DEAD_LETTERS.labels(stage=item.letter.stage.value).inc()
    # A backfill brings changes that happened long ago: they say nothing of how fresh the index is.
    searchable = item.outcome in (Outcome.INDEXED, Outcome.DELETED) and not item.incoming.bulk
    if searchable and item.occurred_at is not None:
        took_s = max(0, item.settled_at - item.occurred_at) / 1000
        metrics.FRESHNESS_SECONDS.observe(took_s, traces.exemplar(item.incoming.span))
