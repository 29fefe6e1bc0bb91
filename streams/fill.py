"""A candidate's collection, log of vectors and table, filled from what the live indexer's table knows.

A profile is in the candidate's table once its row and its vector are acknowledged, as `streams/effects.py` orders it:
what is there as the live table has it is filled. So a fill that was killed goes on where it was, on any machine, and
one that is repeated takes in what changed meanwhile.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, TypeVar

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
from streams.vectors import as_bytes, vector_key, vector_record
from workers.contract import HeldVector, Rejected, Row, Upsert, Vectors
from workers.indexing import each_or_rejected, row_of, vectors_of_their_texts

_ItemT = TypeVar("_ItemT")
_DoneT = TypeVar("_DoneT")

# Looked at together: a read of the vectors that are there costs the same for few as for many.
_PROFILES = 256
# Embedded together: few, so that a live change waits for little.
_TEXTS = 32
_MAX_PAUSE_S = 10.0


@dataclass(slots=True)
class Filled:
    """How far a fill is.

    Attributes:
        written: profiles embedded and written by this run.
        refreshed: profiles of which the candidate had the text, so that only the rest was written.
        marks: deleted profiles, of which only the mark is kept.
        before: profiles that an earlier run had filled, and that did not change since.
        refused: profiles that the model or the index refuses for good.
    """

    written: int = 0
    refreshed: int = 0
    marks: int = 0
    before: int = 0
    refused: list[str] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Profiles that are behind it."""
        return self.written + self.refreshed + self.marks + self.before + len(self.refused)


@dataclass(frozen=True, slots=True)
class CandidateParts:
    """Where a candidate's profiles go, and what makes them.

    Attributes:
        state, embeddings: topics of its table and of the vectors.
        embed: texts to float32 (n, dim), unit length.
        write: puts rows with unique profile ids into its collection; returns once they are acknowledged.
        vectors: what its collection holds of these profiles; an absent one has no entry.
        delete: takes profiles out of its collection; an absent one is no error.
    """

    model: str
    renderer: str
    render: Callable[[Profile], str]
    state: Topic
    embeddings: Topic
    embed: Callable[[Sequence[str]], Vectors]
    write: Callable[[Sequence[Row]], None]
    vectors: Callable[[Sequence[str]], Mapping[str, HeldVector]]
    delete: Callable[[Sequence[str]], None]


@dataclass(frozen=True, slots=True)
class _Left:
    """A profile that the candidate does not hold as the live table has it.

    Attributes:
        known: what the live table has, with the digest of the candidate's text.
        upsert: the text and what stands beside it; None for a deleted profile.
        same_text: whether the candidate had that text.
    """

    profile_id: str
    known: KnownProfile
    upsert: Upsert | None
    same_text: bool = False


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
                with Scratch() as states, Scratch() as own:
                    self._read_left(partition, states, own, done)
                    self._fill(partition, self._left(states, own), writer, done, said)
        said(done)
        return done

    def _read_left(self, partition: int, states: Scratch, own: Scratch, done: Filled) -> None:
        """Keep the newest state of each profile that the candidate does not hold like that, and what it holds."""
        for topic, held in ((self._live_state, states), (self._candidate.state, own)):
            for stored in read_topic(self._config, topic.name, only=[partition]):
                if is_profile(stored.key):
                    held.put(stored.key.decode(), stored.value)
        for profile_id, value in own.items():
            wanted = states.get(profile_id)
            if wanted is not None and (wanted == value or self._alike(wanted, value)):
                states.take(profile_id)
                done.before += 1

    def _alike(self, wanted: bytes, value: bytes) -> bool:
        """Whether both know the same; the texts of two renderers have other digests."""
        return _without_text(self._known(wanted)) == _without_text(self._known(value))

    def _left(self, states: Scratch, own: Scratch) -> Iterator[_Left]:
        for profile_id, value in states.items():
            known = self._known(value)
            if known is None:
                continue
            if known.profile is None:
                yield _Left(profile_id, known, None)
                continue
            text, before = self._candidate.render(known.profile), own.get(profile_id)
            digest, held = hashlib.sha256(text.encode()).digest(), None if before is None else self._known(before)
            upsert = Upsert(profile_id, known.version, profile_fields(known.profile, known.occurred_at), text)
            same_text = held is not None and held.text_sha256 == digest
            yield _Left(profile_id, replace(known, text_sha256=digest), upsert, same_text)

    def _known(self, value: bytes) -> KnownProfile | None:
        return self._codec.decode(value, ProfileState).known

    def _fill(
        self,
        partition: int,
        left: Iterator[_Left],
        writer: ThreadPoolExecutor,
        done: Filled,
        said: Callable[[Filled], None],
    ) -> None:
        on_its_way: Future[None] | None = None
        for piece in self._pieces(left, done):
            # One piece is written while the next one is made ready.
            if on_its_way is not None:
                on_its_way.result()
            on_its_way = writer.submit(self._keep, partition, piece)
            said(done)
        if on_its_way is not None:
            on_its_way.result()

    def _pieces(self, left: Iterator[_Left], done: Filled) -> Iterator[list[_Ready]]:
        """What can be written, piece by piece; each waits for live changes first."""
        for group in _in_pieces(left, _PROFILES):
            self._live_first.wait()
            plain = self._without_embedding(group)
            if plain:
                done.marks += sum(one.row is None for one in plain)
                done.refreshed += sum(one.row is not None for one in plain)
                yield plain
            ready = {one.profile_id for one in plain}
            for piece in _in_pieces((one for one in group if one.profile_id not in ready), _TEXTS):
                self._live_first.wait()
                embedded = self._embedded(piece, done)
                done.written += len(embedded)
                yield embedded

    def _without_embedding(self, group: Sequence[_Left]) -> list[_Ready]:
        """Deleted profiles, and those whose vector the candidate's collection holds already."""
        same = [one for one in group if one.same_text]
        held = self._again(self._candidate.vectors, [one.profile_id for one in same]) if same else {}
        vectors = vectors_of_their_texts([one.upsert for one in same if one.upsert is not None], held)
        refreshed = [
            _Ready(one.profile_id, one.known, row_of(one.upsert, vectors[one.upsert.text]))
            for one in same
            if one.upsert is not None and one.upsert.text in vectors
        ]
        return refreshed + [_Ready(one.profile_id, one.known) for one in group if one.upsert is None]

    def _embedded(self, piece: Sequence[_Left], done: Filled) -> list[_Ready]:
        upserts = [one.upsert for one in piece if one.upsert is not None]
        ready = []
        vectors = each_or_rejected(upserts, self._embed, Stage.EMBED)
        for one, upsert, vector in zip(piece, upserts, vectors, strict=True):
            if isinstance(vector, Rejected):
                done.refused.append(one.profile_id)
            else:
                ready.append(_Ready(one.profile_id, one.known, row_of(upsert, vector)))
        return ready

    def _embed(self, upserts: Sequence[Upsert]) -> list[Vectors]:
        return list(self._candidate.embed([upsert.text for upsert in upserts]))

    def _keep(self, partition: int, ready: Sequence[_Ready]) -> None:
        self._again(self._keep_once, partition, ready)

    def _again(self, work: Callable[..., _DoneT], *given: Any) -> _DoneT:
        """Work that is repeated while a part is away. Raises `Unavailable` in the end."""
        attempts = Retrying(
            retry=retry_if_exception_type(Unavailable),
            wait=wait_random_exponential(multiplier=0.25, max=_MAX_PAUSE_S),
            stop=stop_after_delay(self._give_up_s),
            reraise=True,
        )
        return attempts(work, *given)

    def _keep_once(self, partition: int, ready: Sequence[_Ready]) -> None:
        """Index, then vectors, then table: as for a live change."""
        own = self._candidate
        if rows := [one.row for one in ready if one.row is not None]:
            own.write(rows)
        # Also one that was never filled: a fill that was killed may have written its row.
        if deleted := [one.profile_id for one in ready if one.row is None]:
            own.delete(deleted)
        self._publish([self._vector(one) for one in ready])
        states = [(one.profile_id, ProfileState(known=one.known)) for one in ready]
        self._publish(
            [
                Outgoing(own.state.name, profile_id.encode(), self._codec.encode(own.state.subject, s), None, partition)
                for profile_id, s in states
            ]
        )

    def _vector(self, one: _Ready) -> Outgoing:
        own = self._candidate
        if one.row is None or one.known.text_sha256 is None:
            return Outgoing(own.embeddings.name, vector_key(one.profile_id, own.model), None)
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
            due = self._began + (done.written + done.refreshed) / self._rate
            time.sleep(max(0.0, due - time.monotonic()))  # noqa: TID251 (a command of its own)


def _in_pieces(items: Iterable[_ItemT], most: int) -> Iterator[list[_ItemT]]:
    left = iter(items)
    while piece := list(islice(left, most)):
        yield piece


def _without_text(known: KnownProfile | None) -> KnownProfile | None:
    return None if known is None else replace(known, text_sha256=None)
