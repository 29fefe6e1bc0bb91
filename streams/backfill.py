"""Puts a source on the bulk lane: live changes first, never more under way than a window, resumable at any moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from confluent_kafka import KafkaException

from kith.deadline import Deadline
from kith.errors import InputError, Unavailable
from schemas.codec import Codec
from schemas.operations import BackfillRun, Phase, SourcePart
from schemas.records import ProfileChange
from schemas.topics import Topics
from schemas.validation import validate_change
from streams.backfill_runs import BackfillRuns, StopAsked
from streams.backfill_sources import Replayed, Source
from streams.clock import now_ms
from streams.lag import GroupLag
from streams.publisher import Outgoing, Publisher
from streams.sources.items import Rejection
from streams.where import Where

_BATCH = 200
_LOOK_S = 0.1
_SAVE_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class BackfillBounds:
    """What a backfill may take.

    Attributes:
        rate: records a second; None for as many as the indexer takes.
        window: most records on the bulk lane that are not consumed yet.
        live_lag: live changes that may wait; when there are more, the bulk lane is paused.
        patience_s: after this time without any progress of the indexer the run ends, to be gone on with.
    """

    rate: float | None = None
    window: int = 1000
    live_lag: int = 100
    patience_s: float = 300.0


@dataclass(slots=True)
class Progress:
    """A run, and what stands beside it: live changes that wait, rejected records of a file."""

    run: BackfillRun
    live_lag: int = 0
    rejections: list[Rejection] = field(default_factory=list)


@dataclass(slots=True)
class _Batch:
    """Records that are put on the bulk lane together, and how far the source is with them."""

    outgoing: list[Outgoing] = field(default_factory=list)
    reached: dict[int, int] = field(default_factory=dict)
    sent: int = 0
    skipped: int = 0
    rejected: int = 0

    def counted(self, run: BackfillRun) -> BackfillRun:
        """The run with this batch behind it."""
        return replace(
            run,
            parts=[replace(part, next=self.reached.get(part.partition, part.next)) for part in run.parts],
            sent=run.sent + self.sent,
            skipped=run.skipped + self.skipped,
            rejected=run.rejected + self.rejected,
            updated_at=now_ms(),
        )


class Backfill:
    """Replays one source. What is published twice after a crash is judged by the gate, as everything is.

    Args:
        lag: makes what asks for the backlog of the indexer; asked anew after a failure.
        wanted: whether a record is to be sent.
    """

    def __init__(
        self,
        codec: Codec,
        topics: Topics,
        publisher: Publisher,
        runs: BackfillRuns,
        lag: Callable[[], GroupLag],
        bounds: BackfillBounds,
        *,
        wanted: Callable[[Replayed], bool] = lambda _record: True,
        timeout_s: float,
    ) -> None:
        self._codec = codec
        self._topics = topics
        self._publisher = publisher
        self._runs = runs
        self._make_lag = lag
        self._lag: GroupLag | None = None
        self._bounds = bounds
        self._wanted = wanted
        self._timeout_s = timeout_s
        self._due = time.monotonic()
        self._saved = 0.0

    def run(self, source: Source, run: BackfillRun, said: Callable[[Progress], None]) -> Progress:
        """Replay what is left of a run, until its end or until it is asked to stop.

        Raises:
            Unavailable: Kafka or the registry does not answer, or nothing consumes the bulk lane; the run can be
                gone on with.
            InputError: the source cannot be read any more.
        """
        progress = Progress(replace(run, phase=Phase.RUNNING, updated_at=now_ms()))
        self._runs.save(progress.run)
        ended = False
        with self._runs.stop_asked(run.run_id) as stop:
            try:
                ended = self._replay(source, progress, stop, said)
            finally:
                phase = Phase.DONE if ended else Phase.STOPPED
                progress.run = replace(progress.run, phase=phase, updated_at=now_ms())
                self._runs.save(progress.run)
                if self._lag is not None:
                    self._lag.close()
        said(progress)
        return progress

    def count(self, source: Source, run: BackfillRun) -> Progress:
        """What a run would send, sending nothing. Raises as `run`."""
        progress, batch = Progress(run), _Batch()
        for record in source.records(run.parts):
            self._take(record, batch, progress)
            batch.outgoing.clear()
        progress.run = batch.counted(run)
        return progress

    def _replay(self, source: Source, progress: Progress, stop: StopAsked, said: Callable[[Progress], None]) -> bool:
        batch = _Batch()
        for record in source.records(progress.run.parts):
            self._take(record, batch, progress)
            if len(batch.outgoing) == _BATCH or time.monotonic() >= self._saved + _SAVE_EVERY_S:
                if not self._send(batch, progress, stop, said):
                    return False
                batch = _Batch()
        if not self._send(batch, progress, stop, said):
            return False
        # Records that are gone from the source since the run began do not come any more.
        progress.run = replace(progress.run, parts=[replace(part, next=part.end) for part in progress.run.parts])
        return self._wait_for_room(self._bounds.window, progress, stop, said)

    def _take(self, record: Replayed, batch: _Batch, progress: Progress) -> None:
        batch.reached[record.partition] = record.position + 1
        value, rejection = record.value, record.rejection
        wanted = value is not None and self._wanted(record)
        if isinstance(value, ProfileChange) and wanted:
            try:
                validate_change(value)
                value = self._codec.encode(self._topics.changes.subject, value)
            except InputError as error:
                rejection = Rejection(record.position + 1, str(error), b"", 0)
        if rejection is not None:
            progress.rejections.append(rejection)
            batch.rejected += 1
        elif isinstance(value, bytes) and wanted:
            batch.sent += 1
            batch.outgoing.append(Outgoing(self._topics.backfill.name, record.profile_id.encode(), value))
        else:
            batch.skipped += 1

    def _send(self, batch: _Batch, progress: Progress, stop: StopAsked, said: Callable[[Progress], None]) -> bool:
        """Publish a batch once there is room for it; False when the run was asked to stop."""
        if batch.outgoing:
            if self._bounds.rate is not None:
                self._due = max(self._due, time.monotonic() - 1.0) + len(batch.outgoing) / self._bounds.rate
            if not self._wait_for_room(len(batch.outgoing), progress, stop, said):
                return False
            self._publisher.publish(batch.outgoing, Deadline.after(self._timeout_s))
        progress.run = batch.counted(progress.run)
        if time.monotonic() >= self._saved + _SAVE_EVERY_S:
            self._runs.save(progress.run)
            self._saved = time.monotonic()
        said(progress)
        return not stop.heard()

    def _wait_for_room(self, count: int, progress: Progress, stop: StopAsked, said: Callable[[Progress], None]) -> bool:
        """Wait until so many more may be under way; False when the run was asked to stop."""
        least, patience = None, Deadline.after(self._bounds.patience_s)
        while not stop.heard():
            waiting = self._waiting(progress)
            due = time.monotonic() >= self._due
            room = waiting is not None and waiting + count <= self._bounds.window
            if room and due and progress.live_lag <= self._bounds.live_lag:
                return True
            total = None if waiting is None else waiting + progress.live_lag
            if not due or (total is not None and (least is None or total < least)):
                least, patience = total, Deadline.after(self._bounds.patience_s)
            if patience.expired():
                raise Unavailable(
                    f"The indexer consumed nothing for {self._bounds.patience_s:g} s.",
                    f"See that `kith index` runs, and go on: kith backfill --run {progress.run.run_id}.",
                )
            said(progress)
            time.sleep(_LOOK_S)  # noqa: TID251 (a command of its own)
        return False

    def _waiting(self, progress: Progress) -> int | None:
        """Records on the bulk lane that are not consumed yet; None while that is not known."""
        if self._lag is None:
            self._lag = self._make_lag()
        try:
            lags = self._lag.look()
        except (KafkaException, TimeoutError):
            self._lag.close()
            self._lag = None
            return None
        progress.live_lag = sum(lag for (topic, _p), lag in lags.items() if topic == self._topics.changes.name)
        return sum(lag for (topic, _p), lag in lags.items() if topic == self._topics.backfill.name)


def new_run(run_id: str, source: Source, where: Where) -> BackfillRun:
    """A run that has not begun. Raises as `Source.parts`."""
    parts: list[SourcePart] = source.parts()
    return BackfillRun(run_id, source.name, Phase.RUNNING, parts, 0, 0, 0, now_ms(), now_ms(), where.texts())
