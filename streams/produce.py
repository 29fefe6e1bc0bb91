"""Records of any source onto the change stream: validated, keyed by id, acknowledged, refused ones told by line."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial

import fastavro
from confluent_kafka import KafkaError, Message

from kith.deadline import Deadline
from kith.errors import InputError, Unavailable
from kith.traces import Span
from schemas.codec import HEADER, Codec
from schemas.contracts import parsed, schema_text
from schemas.records import ProfileChange, to_avro
from schemas.topics import Topics
from schemas.validation import validate_change, validate_size
from streams.publisher import REFUSED, Outgoing, Publisher
from streams.record_spans import producing
from streams.sources.items import Parsed, Rejection

# What may be on its way at a time. Both bound the memory; the count is below the publisher's own queue.
MAX_IN_FLIGHT = 5000
MAX_IN_FLIGHT_BYTES = 64 * 2**20

# Rejections that a report keeps; all of them go to `on_rejected`.
MAX_REJECTIONS_KEPT = 1000

_SERVE_S = 0.2
# Waiting for less would flush every record by itself; a change is sent at most this early.
_PACE_GRAIN_S = 0.005
_PROGRESS_EVERY_S = 0.1


@dataclass(slots=True)
class ProduceReport:
    """What became of the records.

    Attributes:
        read: records taken from the source.
        sent: changes that every in-sync replica has acknowledged (in a dry run: that could be sent).
        rejected: records that were refused, by us or by the cluster.
        rejections: the first `MAX_REJECTIONS_KEPT` of them, without their bytes.
        unacknowledged: changes handed over whose fate is not known.
        first_unacknowledged_line: line of the first of these; sending again from there repeats some, and loses none.
        left_out: values that have no equivalent in our contract and were not sent.
        bytes: encoded bytes of what was sent.
        read_bytes: bytes of the source consumed.
        seconds: wall-clock time.
    """

    read: int = 0
    sent: int = 0
    rejected: int = 0
    rejections: list[Rejection] = field(default_factory=list)
    unacknowledged: int = 0
    first_unacknowledged_line: int | None = None
    left_out: int = 0
    bytes: int = 0
    read_bytes: int = 0
    seconds: float = 0.0


class ProduceStopped(Unavailable):
    """Kafka or the registry stopped answering; `report` says what had been acknowledged until then."""

    def __init__(self, message: str, hint: str, report: ProduceReport) -> None:
        super().__init__(message, hint)
        self.report = report


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told while records are produced. `on_progress` is called at most ten times a second, and at the end."""

    on_rejected: Callable[[Rejection], None] = lambda _rejection: None
    on_progress: Callable[[ProduceReport], None] = lambda _report: None


def produce(
    records: Iterable[Parsed | Rejection],
    publisher: Publisher,
    codec: Codec,
    topics: Topics,
    *,
    max_record_bytes: int,
    rate: float | None = None,
    ack_timeout_s: float = 10.0,
    watch: Watch | None = None,
) -> ProduceReport:
    """Send every valid record to the change topic and wait until each is acknowledged. Blocking.

    A record that breaks a rule, is too large or is refused by the cluster is a rejection, and touches no other.

    Args:
        max_record_bytes: largest encoded change, bytes.
        rate: changes per second, kept on average over the whole run; None sends as fast as it goes.
        ack_timeout_s: seconds without any acknowledgement, while some are awaited, after which the cluster is given up.

    Raises:
        ProduceStopped: no acknowledgement in time, or the registry does not answer; carries the report.
        InputError: the registry refuses the contract, or the source cannot be read at all.
    """
    account = _Account(watch or Watch())
    sending = _Sending(publisher, topics.changes.name, account, ack_timeout_s)
    pace = _Pace(rate)
    for record in records:
        item = account.take(record)
        if item is None:
            continue
        try:
            value = codec.encode(topics.changes.subject, item.change)
        except Unavailable as error:
            raise sending.stopped(error.message, error.hint) from error
        if account.fits(item, len(value), max_record_bytes):
            sending.wait_until(pace.next_due())
            sending.send(item, value)
    sending.finish()
    return account.close()


def examine(
    records: Iterable[Parsed | Rejection],
    *,
    max_record_bytes: int,
    watch: Watch | None = None,
    on_valid: Callable[[Parsed], None] = lambda _item: None,
) -> ProduceReport:
    """What `produce` would do with the records, short of sending them; needs no cluster and no registry.

    Args:
        on_valid: called with each record that could be sent.

    Raises:
        InputError: the source cannot be read at all.
    """
    account = _Account(watch or Watch())
    for record in records:
        item = account.take(record)
        if item is None:
            continue
        size = encoded_bytes(item.change)
        if account.fits(item, size, max_record_bytes):
            on_valid(item)
            account.sent(size)
    return account.close()


def encoded_bytes(change: ProfileChange) -> int:
    """Size of the encoded record, bytes; the change has to be valid."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parsed(schema_text(ProfileChange)), to_avro(change))
    return HEADER.size + out.tell()


class _Account:
    """Keeps the report, and tells the watch."""

    def __init__(self, watch: Watch) -> None:
        self.report = ProduceReport()
        self._watch = watch
        self._started = time.monotonic()
        self._told = self._started

    def take(self, record: Parsed | Rejection) -> Parsed | None:
        """Count a record; the record itself if it keeps every rule."""
        self.report.read += 1
        self.report.read_bytes = record.read_bytes
        self.tell_progress()
        if isinstance(record, Rejection):
            self._reject(record)
            return None
        self.report.left_out += len(record.left_out)
        try:
            validate_change(record.change)
        except InputError as error:
            self.reject(record, str(error))
            return None
        return record

    def fits(self, item: Parsed, size: int, max_record_bytes: int) -> bool:
        """Whether the encoded record is small enough; one that is not gets rejected."""
        try:
            validate_size(item.change, size, max_record_bytes)
        except InputError as error:
            self.reject(item, str(error))
            return False
        return True

    def reject(self, item: Parsed, reason: str) -> None:
        self._reject(Rejection(item.line, reason, item.original, item.read_bytes))

    def sent(self, size: int) -> None:
        self.report.sent += 1
        self.report.bytes += size

    def tell_progress(self) -> None:
        now = time.monotonic()
        if now - self._told >= _PROGRESS_EVERY_S:
            self._told = now
            self.report.seconds = now - self._started
            self._watch.on_progress(self.report)

    def close(self) -> ProduceReport:
        self.report.seconds = time.monotonic() - self._started
        self._watch.on_progress(self.report)
        return self.report

    def _reject(self, rejection: Rejection) -> None:
        self.report.rejected += 1
        if len(self.report.rejections) < MAX_REJECTIONS_KEPT:
            self.report.rejections.append(replace(rejection, original=b""))
        self._watch.on_rejected(rejection)


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A change whose fate is not known; `size` of its record, bytes."""

    item: Parsed
    size: int
    span: Span | None


class _Sending:
    """What is on its way: bounded, and given up when the cluster falls silent."""

    def __init__(self, publisher: Publisher, topic: str, account: _Account, ack_timeout_s: float) -> None:
        self._publisher = publisher
        self._topic = topic
        self._account = account
        self._ack_timeout_s = ack_timeout_s
        self._pending: dict[int, _UnderWay] = {}
        self._pending_bytes = 0
        self._handed_over = 0
        self._silent_since = time.monotonic()
        self._failure: KafkaError | None = None

    def send(self, item: Parsed, value: bytes) -> None:
        """Hand one record over; waits while too much is on its way."""
        while len(self._pending) >= MAX_IN_FLIGHT or self._pending_bytes >= MAX_IN_FLIGHT_BYTES:
            self._serve(_SERVE_S)
        if not self._pending:
            self._silent_since = time.monotonic()
        self._handed_over += 1
        number = self._handed_over
        span, carried = producing(self._topic)
        self._pending[number] = _UnderWay(item, len(value), span)
        self._pending_bytes += len(value) + len(item.original)
        outgoing = Outgoing(self._topic, item.change.profile_id.encode(), value, carried)
        try:
            self._publisher.enqueue(outgoing, partial(self._acknowledged, number), Deadline.after(self._ack_timeout_s))
        except InputError as error:
            self._settle(number, type(error).__name__)
            self._account.reject(item, str(error))
        except Unavailable as error:
            raise self.stopped(error.message, error.hint) from error
        if self._failure is not None:
            self._check()

    def wait_until(self, due: float) -> None:
        """Serve acknowledgements until `time.monotonic()` is near `due`."""
        while (left := due - time.monotonic()) > _PACE_GRAIN_S:
            if self._pending:
                self._serve(min(left, _SERVE_S))
            else:
                time.sleep(min(left, _SERVE_S))  # noqa: TID251 - the clock is the condition
            self._account.tell_progress()

    def finish(self) -> None:
        """Wait until nothing is on its way."""
        while self._pending:
            self._serve(_SERVE_S)
            self._account.tell_progress()

    def stopped(self, message: str, hint: str) -> ProduceStopped:
        """The error that ends the run, with what is known until now."""
        report = self._account.report
        report.unacknowledged = len(self._pending)
        first = next(iter(self._pending.values()), None)
        report.first_unacknowledged_line = first.item.line if first else None
        self._account.close()
        fate = f" {report.sent:,} changes were acknowledged, {report.unacknowledged:,} may or may not have arrived"
        since = f", the first of them from line {first.item.line}" if first else ""
        return ProduceStopped(f"{message}{fate}{since}.", hint, report)

    def _serve(self, seconds: float) -> None:
        self._publisher.flush(Deadline.after(seconds))
        self._check()

    def _check(self) -> None:
        if self._failure is not None:
            raise self.stopped(f"Kafka could not take a change: {self._failure.str()}.", self._hint())
        if self._pending and time.monotonic() - self._silent_since > self._ack_timeout_s:
            raise self.stopped(f"Kafka has acknowledged nothing for {self._ack_timeout_s:g} s.", self._hint())

    def _hint(self) -> str:
        return (
            f"Check that the brokers at KITH_KAFKA_BOOTSTRAP are up and have the topic {self._topic} "
            "(`kith topics apply`), then send again."
        )

    def _acknowledged(self, number: int, error: KafkaError | None, _message: Message) -> None:
        self._silent_since = time.monotonic()
        if error is None:
            self._account.sent(self._settle(number).size)
        elif error.code() in REFUSED:
            self._account.reject(
                self._settle(number, error.name()).item,
                f"Kafka refuses it: {error.str()}. Compare the topic: `kith topics apply --dry-run`.",
            )
        else:
            # Stays among the pending: its fate is not known.
            self._failure = self._failure or error

    def _settle(self, number: int, error: str | None = None) -> _UnderWay:
        one = self._pending.pop(number)
        self._pending_bytes -= one.size + len(one.item.original)
        if one.span is not None:
            one.span.end(error)
        return one


class _Pace:
    """Due times on one fixed grid, so that a late change does not push the later ones back."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._started = 0.0
        self._count = 0

    def next_due(self) -> float:
        """When the next change is due, `time.monotonic()` seconds; the distant past where no rate is kept."""
        if self._rate is None:
            return -math.inf
        if not self._count:
            self._started = time.monotonic()
        due = self._started + self._count / self._rate
        self._count += 1
        return due
