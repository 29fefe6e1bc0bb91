"""An index from the log of embeddings and the table's changelog, without embedding anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from schemas.codec import Codec
from schemas.records import KnownProfile, ProfileEmbedding, ProfileState
from schemas.topics import Topics
from streams.fields import profile_fields
from streams.known_profiles import is_profile
from streams.scratch import Scratch
from streams.topic_reader import read_topic
from workers.contract import Refresh, Row
from workers.indexing import row_of
from workers.render import Renderer

_ROWS = 500


@dataclass(slots=True)
class Rebuilt:
    """How far a rebuild is.

    Attributes:
        profiles: that the table holds; the deleted ones are left out at the end.
        written: rows that the index acknowledged.
        without_vector: profiles for which the log of embeddings has no vector of their present text.
    """

    profiles: int
    written: int
    without_vector: list[str]


class Rebuild:
    """Fills a collection with what the table knows, and the vectors that the log holds of it.

    Args:
        config: librdkafka configuration to reach the cluster.
        model: release whose vectors are taken.
        render: profile to text, as this release has it.
        write: puts rows with unique profile ids into the index; returns once they are acknowledged.
    """

    def __init__(
        self,
        config: dict[str, Any],
        codec: Codec,
        topics: Topics,
        model: str,
        render: Renderer,
        write: Callable[[Sequence[Row]], None],
    ) -> None:
        self._config = config
        self._codec = codec
        self._topics = topics
        self._model = model
        self._render = render
        self._write = write

    def run(self, said: Callable[[Rebuilt], None]) -> Rebuilt:
        """Write every profile whose vector is there. Repeating it is harmless.

        A live indexer may write meanwhile: what it changed has to be held against the table afterwards, and repaired.

        Raises:
            kith.errors.Unavailable: Kafka, the registry or Milvus does not answer.
        """
        with Scratch() as states, ThreadPoolExecutor(1) as writer:
            done = Rebuilt(self._read_states(states), 0, [])
            said(done)
            written = _Written(writer, self._write, done, said)
            for row in self._rows(states):
                written.put(row)
            written.finish()
            self._note_the_rest(states, done)
        said(done)
        return done

    def _read_states(self, states: Scratch) -> int:
        """Keep the newest state of each profile; returns how many there are, deleted ones included."""
        held = 0
        for message in read_topic(self._config, self._topics.state.name):
            if is_profile(message.key):
                profile_id = message.key.decode()
                held += (message.value is not None) - (states.get(profile_id) is not None)
                states.put(profile_id, message.value)
        return held

    def _note_the_rest(self, states: Scratch, done: Rebuilt) -> None:
        for profile_id, value in states.items():
            known = self._codec.decode(value, ProfileState).known
            if known is None or known.profile is None:
                done.profiles -= 1
            else:
                done.without_vector.append(profile_id)

    def _rows(self, states: Scratch) -> Iterator[Row]:
        model = f"@{self._model}".encode()
        for message in read_topic(self._config, self._topics.embeddings.name):
            if message.value is None or not message.key.endswith(model):
                continue
            held = self._codec.decode(message.value, ProfileEmbedding)
            value = states.get(held.profile_id)
            known = None if value is None else self._codec.decode(value, ProfileState).known
            if known is not None and known.text_sha256 == held.text_sha256:
                states.put(held.profile_id, None)
                yield self._row(held, known)

    def _row(self, held: ProfileEmbedding, known: KnownProfile) -> Row:
        if known.profile is None:
            raise AssertionError("A deleted profile has no row. This is a bug.")
        fields = profile_fields(known.profile, known.occurred_at)
        vector = np.frombuffer(held.vector, dtype="<f4").astype(np.float32)
        return row_of(Refresh(held.profile_id, known.version, fields, self._render(known.profile)), vector)


class _Written:
    """Writes rows in batches, one batch on its way while the next one is read."""

    def __init__(
        self,
        writer: ThreadPoolExecutor,
        write: Callable[[Sequence[Row]], None],
        done: Rebuilt,
        said: Callable[[Rebuilt], None],
    ) -> None:
        self._writer = writer
        self._write = write
        self._done = done
        self._said = said
        self._rows: list[Row] = []
        self._on_its_way: tuple[Future[None], int] | None = None

    def put(self, row: Row) -> None:
        self._rows.append(row)
        if len(self._rows) == _ROWS:
            self._send()

    def finish(self) -> None:
        self._send()
        self._wait()

    def _send(self) -> None:
        self._wait()
        if self._rows:
            self._on_its_way = self._writer.submit(self._write, self._rows), len(self._rows)
            self._rows = []

    def _wait(self) -> None:
        if self._on_its_way is not None:
            future, rows = self._on_its_way
            self._on_its_way = None
            future.result()
            self._done.written += rows
            self._said(self._done)
