"""A candidate's collection, log of vectors and table, filled from what the live indexer's table knows.

A profile is in the candidate's table once its row and its vector are acknowledged, as `streams/effects.py` orders it:
what is there is filled, so a fill that was killed goes on where it was, on any machine.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from kith.deadline import Deadline
from kith.errors import Unavailable
from schemas.codec import Codec
from schemas.records import KnownProfile, Profile, ProfileEmbedding, ProfileState, Stage
from schemas.topics import Topic
from streams.clock import now_ms
from streams.fields import profile_fields
from streams.known_profiles import is_profile
from streams.live_first import LiveFirst
from streams.publisher import Outgoing, Publisher
from streams.scratch import Scratch
from streams.topic_reader import read_topic
from streams.vectors import as_bytes, vector_record
from workers.contract import Rejected, Row, Upsert, Vectors
from workers.indexing import each_or_rejected, row_of

# Small, so that a live change waits for little.
_PROFILES = 32
_MAX_PAUSE_S = 10.0


@dataclass(slots=True)
class Filled:
    """How far a fill is.

    Attributes:
        written: profiles embedded and written by this run.
        marks: deleted profiles, of which only the mark is kept.
        before: profiles that an earlier run had filled.
        refused: profiles that the model or the index refuses for good.
    """

    written: int = 0
    marks: int = 0
    before: int = 0
    refused: list[str] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Profiles that are behind it."""
        return self.written + self.marks + self.before + len(self.refused)


@dataclass(frozen=True, slots=True)
class CandidateParts:
    """Where a candidate's profiles go, and what makes them.

    Attributes:
        state, embeddings: topics of its table and of the vectors.
        embed: texts to float32 (n, dim), unit length.
        write: puts rows with unique profile ids into its collection; returns once they are acknowledged.
    """

    model: str
    renderer: str
    render: Callable[[Profile], str]
    state: Topic
    embeddings: Topic
    embed: Callable[[Sequence[str]], Vectors]
    write: Callable[[Sequence[Row]], None]


@dataclass(frozen=True, slots=True)
class _Ready:
    """A profile with all that is written of it; a deleted one has no row."""

    profile_id: str
    known: KnownProfile
    row: Row | None = None


class Fill:
    """Fills a candidate while live traffic goes first.

    Args:
        config: librdkafka configuration to reach the cluster.
        live_state: topic of the live indexer's table.
        live_first: holds the fill back while live changes wait.
        timeout_s: for the acknowledgement of what is published, seconds.
        give_up_s: time after which a part that is away ends the fill, seconds.
    """

    def __init__(
        self,
        config: dict[str, Any],
        codec: Codec,
        publisher: Publisher,
        live_state: Topic,
        candidate: CandidateParts,
        live_first: LiveFirst,
        *,
        timeout_s: float,
        give_up_s: float,
    ) -> None:
        self._config = config
        self._codec = codec
        self._publisher = publisher
        self._live_state = live_state
        self._candidate = candidate
        self._live_first = live_first
        self._timeout_s = timeout_s
        self._give_up_s = give_up_s

    def run(self, partitions: Collection[int], said: Callable[[Filled], None]) -> Filled:
        """Fill these partitions of the table, each from where it was left. Repeating it is harmless.

        Raises:
            Unavailable: Kafka, the registry or Milvus does not answer for longer than `give_up_s`.
        """
        done = Filled()
        with ThreadPoolExecutor(1, "write") as writer:
            for partition in sorted(partitions):
                with Scratch() as states:
                    self._read_left(partition, states, done)
                    self._fill(partition, states, writer, done, said)
        said(done)
        return done

    def _read_left(self, partition: int, states: Scratch, done: Filled) -> None:
        """Keep the newest state of each profile that the candidate does not know."""
        for stored in read_topic(self._config, self._live_state.name, only=[partition]):
            if is_profile(stored.key):
                states.put(stored.key.decode(), stored.value)
        for stored in read_topic(self._config, self._candidate.state.name, only=[partition]):
            if is_profile(stored.key) and stored.value is not None:
                done.before += states.take(stored.key.decode()) is not None

    def _fill(
        self, partition: int, states: Scratch, writer: ThreadPoolExecutor, done: Filled, said: Callable[[Filled], None]
    ) -> None:
        on_its_way: Future[None] | None = None
        for piece in _pieces(states.items()):
            self._live_first.wait()
            ready = self._ready(piece, done)
            # One piece is written while the next one is embedded.
            if on_its_way is not None:
                on_its_way.result()
            on_its_way = writer.submit(self._keep, partition, ready)
            done.written += sum(one.row is not None for one in ready)
            done.marks += sum(one.row is None for one in ready)
            said(done)
        if on_its_way is not None:
            on_its_way.result()

    def _ready(self, piece: Sequence[tuple[str, bytes]], done: Filled) -> list[_Ready]:
        known = {profile_id: self._codec.decode(value, ProfileState).known for profile_id, value in piece}
        upserts = [
            Upsert(profile_id, one.version, profile_fields(one.profile, one.occurred_at), text)
            for profile_id, one in known.items()
            if one is not None and one.profile is not None and (text := self._candidate.render(one.profile))
        ]
        vectors = each_or_rejected(upserts, self._embed, Stage.EMBED)
        ready = [_Ready(profile_id, one) for profile_id, one in known.items() if one is not None and not one.profile]
        for upsert, vector in zip(upserts, vectors, strict=True):
            before = known[upsert.profile_id]
            if isinstance(vector, Rejected) or before is None:
                done.refused.append(upsert.profile_id)
                continue
            digest = hashlib.sha256(upsert.text.encode()).digest()
            ready.append(_Ready(upsert.profile_id, replace(before, text_sha256=digest), row_of(upsert, vector)))
        return ready

    def _embed(self, upserts: Sequence[Upsert]) -> list[Vectors]:
        return list(self._candidate.embed([upsert.text for upsert in upserts]))

    def _keep(self, partition: int, ready: Sequence[_Ready]) -> None:
        attempts = Retrying(
            retry=retry_if_exception_type(Unavailable),
            wait=wait_random_exponential(multiplier=0.25, max=_MAX_PAUSE_S),
            stop=stop_after_delay(self._give_up_s),
            reraise=True,
        )
        attempts(self._keep_once, partition, ready)

    def _keep_once(self, partition: int, ready: Sequence[_Ready]) -> None:
        """Index, then vectors, then table: as for a live change."""
        own = self._candidate
        if rows := [one.row for one in ready if one.row is not None]:
            own.write(rows)
            self._publish([self._vector(one) for one in ready if one.row is not None])
        states = [(one.profile_id, ProfileState(known=one.known)) for one in ready]
        self._publish(
            [
                Outgoing(own.state.name, profile_id.encode(), self._codec.encode(own.state.subject, s), None, partition)
                for profile_id, s in states
            ]
        )

    def _vector(self, one: _Ready) -> Outgoing:
        if one.row is None or one.known.text_sha256 is None:
            raise AssertionError("A profile without a row has no vector. This is a bug.")
        own = self._candidate
        embedding = ProfileEmbedding(
            profile_id=one.profile_id,
            version=one.known.version,
            model=own.model,
            renderer=own.renderer,
            text_sha256=one.known.text_sha256,
            vector=as_bytes(one.row.vector),
            embedded_at=now_ms(),
        )
        return vector_record(self._codec, own.embeddings, embedding)

    def _publish(self, outgoing: Sequence[Outgoing]) -> None:
        self._publisher.publish(outgoing, Deadline.after(self._timeout_s))


class Paced:
    """Holds a fill to so many profiles a second, told of its progress as its `said` is."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._began = time.monotonic()

    def __call__(self, done: Filled) -> None:
        if self._rate is not None:
            due = self._began + done.written / self._rate
            time.sleep(max(0.0, due - time.monotonic()))  # noqa: TID251 (a command of its own)


def _pieces(items: Iterator[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    while piece := list(islice(items, _PROFILES)):
        yield piece
