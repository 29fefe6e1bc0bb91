"""The order of effects: what happens, in which order, when a piece of a micro-batch is settled."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from kith.deadline import Deadline
from schemas.codec import Codec
from schemas.dead_letters import dead_letter_headers, letter_key
from schemas.records import DeadLetter, Outcome, ProfileEmbedding, Receipt
from schemas.topics import Topic, Topics
from streams.incoming import Incoming
from streams.publisher import Outgoing, Publisher
from streams.record_spans import onwards, sending
from streams.vectors import as_bytes, vector_key, vector_record
from workers.contract import Vectors


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one record.

    Attributes:
        occurred_at: event time, milliseconds since the epoch, UTC; None where it is not known.
        settled_at: when the outcome was effective, milliseconds since the epoch, UTC.
        text, vector: what was embedded, float32 (dim,); None where nothing was.
        letter: set when the outcome is `dead_lettered`.
    """

    incoming: Incoming
    outcome: Outcome
    settled_at: int
    profile_id: str | None = None
    version: int | None = None
    occurred_at: int | None = None
    text: str | None = None
    vector: Vectors | None = None
    letter: DeadLetter | None = None


class Effects:
    """Tells the bus what became of records.

    The whole order, for one piece of a micro-batch (the caller does 1, 3 and 5):

    1. the index acknowledged the write;
    2. vectors are published to the log of embeddings and acknowledged, here;
    3. the table takes what is known now and which outcomes led to it: changelog first, then the disk;
    4. dead letters and receipts are published and acknowledged, here;
    5. the records are acknowledged to the stream, so that their offsets are committed.

    A crash between any two repeats work and loses none: whatever was not committed comes again.

    Args:
        model, renderer: what the vectors were made with.
        timeout_s: for the acknowledgement of what is published, seconds.
    """

    def __init__(
        self, publisher: Publisher, codec: Codec, topics: Topics, *, model: str, renderer: str, timeout_s: float
    ) -> None:
        self._publisher = publisher
        self._codec = codec
        self._topics = topics
        self._model = model
        self._renderer = renderer
        self._timeout_s = timeout_s

    async def keep_vectors(self, settled: Sequence[Settled]) -> None:
        """Step 2. Repeating it is harmless.

        Raises:
            kith.errors.Unavailable: Kafka or the registry does not answer; some may have been published.
        """
        await asyncio.to_thread(self._keep_vectors, settled)

    async def publish(self, settled: Sequence[Settled]) -> None:
        """Step 4. Repeating it is harmless.

        Raises:
            kith.errors.Unavailable: Kafka or the registry does not answer; some may have been published.
        """
        await asyncio.to_thread(self._publish, settled)

    def _keep_vectors(self, settled: Sequence[Settled]) -> None:
        made = {place: outgoing for place, item in enumerate(settled) if (outgoing := self._embedding(item))}
        if made:
            with sending(self._topics.embeddings, [settled[place].incoming for place in made]):
                self._publisher.publish(list(made.values()), Deadline.after(self._timeout_s))

    def _publish(self, settled: Sequence[Settled]) -> None:
        outgoing = [self._dead_letter(s.letter, s.incoming) for s in settled if s.letter is not None]
        outgoing.extend(self._receipt(item) for item in settled)
        with sending(self._topics.receipts, [item.incoming for item in settled]):
            self._publisher.publish(outgoing, Deadline.after(self._timeout_s))

    def _dead_letter(self, letter: DeadLetter, incoming: Incoming) -> Outgoing:
        topic = self._topics.dead_letters
        value = self._codec.encode(topic.subject, letter)
        carried = dead_letter_headers(letter) + (onwards(incoming) or [])
        return Outgoing(topic.name, letter_key(letter), value, carried)

    def _embedding(self, item: Settled) -> Outgoing | None:
        topic = self._topics.embeddings
        if item.profile_id is None:
            return None
        if item.outcome is Outcome.DELETED:
            return Outgoing(topic.name, vector_key(item.profile_id, self._model), None, onwards(item.incoming))
        if item.vector is None or item.text is None or item.version is None:
            return None
        embedding = ProfileEmbedding(
            profile_id=item.profile_id,
            version=item.version,
            model=self._model,
            renderer=self._renderer,
            text_sha256=hashlib.sha256(item.text.encode()).digest(),
            vector=as_bytes(item.vector),
            embedded_at=item.settled_at,
        )
        return vector_record(self._codec, topic, embedding, onwards(item.incoming))

    def _receipt(self, item: Settled) -> Outgoing:
        topic: Topic = self._topics.receipts
        receipt = Receipt(
            topic=item.incoming.topic,
            partition=item.incoming.partition,
            offset=item.incoming.offset,
            profile_id=item.profile_id,
            version=item.version,
            outcome=item.outcome,
            model=self._model,
            occurred_at=item.occurred_at,
            settled_at=item.settled_at,
        )
        key = item.profile_id.encode() if item.profile_id is not None else item.incoming.key
        return Outgoing(topic.name, key, self._codec.encode(topic.subject, receipt), onwards(item.incoming))
