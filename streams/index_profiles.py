"""The agent's work on one micro-batch: decode, newest per profile, apply, effects, acknowledge."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog

from kith import metrics
from kith.deadline import Deadline
from schemas.records import Operation, Outcome, Profile, ProfileChange
from streams.back_pressure import BackPressure
from streams.batch import bounded, estimated_tokens, newest_per_profile
from streams.clock import now_ms
from streams.dead_letters import dead_letter
from streams.decode import Decoder
from streams.effects import Effects, Settled
from streams.incoming import Change, Incoming, Unreadable
from workers.contract import Applied, Delete, Indexer, ProfileFields, Rejected, Upsert
from workers.render import render

_DoneT = TypeVar("_DoneT")

log = structlog.get_logger(__name__)

Acknowledge = Callable[[Sequence[Incoming]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class BatchBounds:
    """Bounds of one piece of work; `apply_timeout_s` in seconds."""

    max_records: int
    max_tokens: int
    apply_timeout_s: float


class ProfileIndexing:
    """Turns incoming records into an index that holds the newest of each, and says what became of every one."""

    def __init__(
        self, decoder: Decoder, indexer: Indexer, effects: Effects, back_pressure: BackPressure, bounds: BatchBounds
    ) -> None:
        self._decoder = decoder
        self._indexer = indexer
        self._effects = effects
        self._back_pressure = back_pressure
        self._bounds = bounds

    async def settle(self, records: Sequence[Incoming], acknowledge: Acknowledge) -> None:
        """Bring records, given in order of their offsets within each partition, to their outcomes.

        `acknowledge` is awaited with each piece once its effects are published; every record is in exactly one piece.

        Raises:
            kith.errors.Unavailable: a part stayed away for longer than the back-pressure allows; what was not
                acknowledged comes again after a restart.
        """
        metrics.BATCH_RECORDS.observe(len(records))
        await self._patiently("registry", lambda: self._decoder.learn_schemas(records))
        read = [self._decoder.decode(record) for record in records]
        unreadable = [item for item in read if isinstance(item, Unreadable)]
        winners, losers = newest_per_profile(item for item in read if isinstance(item, Change))
        aside = [_dead(item) for item in unreadable] + [_stale(item) for item in losers]
        work = [(change, _operation(change)) for change in winners]
        for piece in bounded(work, _tokens, self._bounds.max_records, self._bounds.max_tokens):
            await self._apply(piece, acknowledge)
        # Losers last: their receipts say that something newer is in the index, and by now it is.
        if aside:
            await self._finish(aside, acknowledge)

    async def _apply(self, piece: Sequence[tuple[Change, Upsert | Delete]], acknowledge: Acknowledge) -> None:
        operations = [operation for _change, operation in piece]
        started = now_ms()

        async def once() -> Sequence[Applied | Rejected]:
            return await self._indexer.apply(operations, Deadline.after(self._bounds.apply_timeout_s))

        results = await self._patiently("index", once)
        if len(results) != len(piece):
            raise AssertionError(f"{len(piece)} operations gave {len(results)} results. This is a bug.")
        settled = [
            _settled(change, operation, result, started)
            for (change, operation), result in zip(piece, results, strict=True)
        ]
        await self._finish(settled, acknowledge)

    async def _finish(self, settled: Sequence[Settled], acknowledge: Acknowledge) -> None:
        await self._patiently("kafka", lambda: self._effects.publish(settled))
        await acknowledge([item.incoming for item in settled])
        for item in settled:
            _count(item)

    async def _patiently(self, part: str, work: Callable[[], Awaitable[_DoneT]]) -> _DoneT:
        return await self._back_pressure.through(part, work)


def stop_on_failure(task: asyncio.Task[None]) -> None:
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


def _operation(change: Change) -> Upsert | Delete:
    record = change.change
    if record is None or record.operation is Operation.DELETE or record.profile is None:
        return Delete(change.profile_id, change.version or 0)
    return Upsert(change.profile_id, record.version, _fields(record, record.profile), render(record.profile))


def _fields(record: ProfileChange, profile: Profile) -> ProfileFields:
    return ProfileFields(
        name=profile.name,
        headline=profile.headline or "",
        location=profile.location or "",
        country=profile.country or "",
        industry=profile.industry or "",
        seniority=profile.seniority or "",
        skills=tuple(profile.skills),
        languages=tuple(profile.languages),
        occurred_at_ms=record.occurred_at,
    )


def _tokens(item: tuple[Change, Upsert | Delete]) -> int:
    operation = item[1]
    return estimated_tokens(operation.text) if isinstance(operation, Upsert) else 1


def _settled(change: Change, operation: Upsert | Delete, result: Applied | Rejected, started: int) -> Settled:
    occurred_at = None if change.change is None else change.change.occurred_at
    now = now_ms()
    if isinstance(result, Rejected):
        letter = dead_letter(
            change.incoming, result.stage, result.error_class, result.message, first_at=started, now=now
        )
        return Settled(
            change.incoming, Outcome.DEAD_LETTERED, now, change.profile_id, change.version, occurred_at, letter=letter
        )
    if isinstance(operation, Delete):
        return Settled(change.incoming, Outcome.DELETED, now, change.profile_id, change.version, occurred_at)
    return Settled(
        change.incoming,
        Outcome.INDEXED,
        now,
        change.profile_id,
        change.version,
        occurred_at,
        text=operation.text,
        vector=result.vector,
    )


def _dead(item: Unreadable) -> Settled:
    return Settled(item.incoming, Outcome.DEAD_LETTERED, item.letter.last_at, letter=item.letter)


def _stale(change: Change) -> Settled:
    occurred_at = None if change.change is None else change.change.occurred_at
    return Settled(change.incoming, Outcome.STALE, now_ms(), change.profile_id, change.version, occurred_at)


def _count(item: Settled) -> None:
    metrics.RECORDS.labels(outcome=item.outcome.value).inc()
    if item.occurred_at is not None and item.outcome in (Outcome.INDEXED, Outcome.DELETED):
        metrics.FRESHNESS_SECONDS.observe(max(0, item.settled_at - item.occurred_at) / 1000)
