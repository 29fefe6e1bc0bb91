"""The log of embeddings: what a record of it is, and a model's vectors taken out of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from kith.deadline import Deadline
from schemas.codec import Codec
from schemas.headers import Headers
from schemas.records import ProfileEmbedding
from schemas.topics import Topic
from streams.publisher import Outgoing, Publisher
from streams.topic_reader import read_topic
from workers.contract import Vectors

_TOMBSTONES = 2000


def vector_record(codec: Codec, topic: Topic, embedding: ProfileEmbedding, headers: Headers | None = None) -> Outgoing:
    """What goes to the log."""
    key = vector_key(embedding.profile_id, embedding.model)
    return Outgoing(topic.name, key, codec.encode(topic.subject, embedding), headers)


def vector_key(profile_id: str, model: str) -> bytes:
    """Key of a vector in the log."""
    return f"{profile_id}@{model}".encode()


def as_bytes(vector: Vectors) -> bytes:
    """A float32 (dim,) vector as the contract has it: little-endian."""
    return np.ascontiguousarray(vector, dtype="<f4").tobytes()


def forget_vectors(config: dict[str, Any], topic: Topic, publisher: Publisher, model: str, timeout_s: float) -> None:
    """Put a tombstone over every vector of a model. Repeating it is harmless.

    Raises:
        kith.errors.Unavailable: Kafka does not answer.
    """
    suffix, piece = f"@{model}".encode(), list[Outgoing]()
    for stored in read_topic(config, topic.name):
        if stored.value is not None and stored.key.endswith(suffix):
            piece.append(Outgoing(topic.name, stored.key, None))
        if len(piece) == _TOMBSTONES:
            publisher.publish(piece, Deadline.after(timeout_s))
            piece = []
    publisher.publish(piece, Deadline.after(timeout_s))
