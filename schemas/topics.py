"""Every topic: name, key, contract, partitions, retention, cleanup. Declared here and nowhere else.

The names live beside the contracts because the query consumer in `workers` needs them and must not import `streams`.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.records import DeadLetter, ProfileChange, ProfileEmbedding, ProfileState, Receipt, SearchReply, SearchRequest

_DAY_MS = 24 * 60 * 60 * 1000
_FOREVER = -1


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it should be on the cluster.

    Attributes:
        name: full name, prefix included.
        kind: record type of the values.
        key: what the key holds.
        cleanup: Kafka's cleanup.policy.
        retention_ms: Kafka's retention.ms; -1 keeps records for ever.
        max_message_bytes: Kafka's max.message.bytes.
        doc: what it is for, one line.
    """

    name: str
    kind: type
    key: str
    cleanup: str
    retention_ms: int
    max_message_bytes: int
    doc: str

    @property
    def subject(self) -> str:
        """Registry subject of the values (TopicNameStrategy)."""
        return f"{self.name}-value"

    def config(self) -> dict[str, str]:
        """Kafka's names and values for what is declared."""
        return {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(self.max_message_bytes),
        }


class Topics:
    """The topics of one installation.

    Args:
        prefix: put before every name.
        max_record_bytes: largest encoded profile change, bytes; what carries one is allowed some more.
        model: release of the indexer, which keeps a table of its own.
    """

    def __init__(self, prefix: str = "", max_record_bytes: int = 262_144, model: str = "") -> None:
        room = max_record_bytes + 65_536
        self.changes = Topic(
            f"{prefix}profile.changes", ProfileChange, "profile_id", "delete", 7 * _DAY_MS, room, "The change stream."
        )
        self.state = Topic(
            f"{prefix}profile.state.{model}" if model else f"{prefix}profile.state",
            ProfileState,
            "profile_id",
            "compact",
            _FOREVER,
            room,
            "What the indexer knows of each profile: its table's changelog.",
        )
        self.embeddings = Topic(
            f"{prefix}profile.embeddings",
            ProfileEmbedding,
            "profile_id@model",
            "compact",
            _FOREVER,
            room,
            "Newest vector of each profile and model.",
        )
        self.receipts = Topic(
            f"{prefix}profile.receipts", Receipt, "profile_id", "delete", 7 * _DAY_MS, room, "Outcome of each change."
        )
        self.dead_letters = Topic(
            f"{prefix}profile.dead-letters",
            DeadLetter,
            "key of the record",
            "delete",
            30 * _DAY_MS,
            2 * room,
            "Changes that can never succeed, with reason and bytes.",
        )
        self.requests = Topic(
            f"{prefix}search.requests", SearchRequest, "none", "delete", 3_600_000, room, "Questions."
        )
        self.replies = Topic(
            f"{prefix}search.replies", SearchReply, "none", "delete", 3_600_000, 4 * room, "Answers for `kith search`."
        )

    def all(self) -> tuple[Topic, ...]:
        """Every topic, in the order of the data flow."""
        return (self.changes, self.state, self.embeddings, self.receipts, self.dead_letters, self.requests, self.replies)
