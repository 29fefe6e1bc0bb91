"""Every topic: name, key, contract, partitions, retention, cleanup. Declared here and nowhere else.

The names live beside the contracts because the query consumer in `workers` needs them and must not import `streams`.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.operations import BackfillRun, Erasure
from schemas.records import DeadLetter, ProfileChange, ProfileEmbedding, ProfileState, Receipt
from schemas.rollouts import Rollout, SearchFeedback, SearchObservation
from schemas.search_records import SearchImpression, SearchReply, SearchRequest

_HOUR_MS = 60 * 60 * 1000
_DAY_MS = 24 * _HOUR_MS
_FOREVER = -1
# What a tombstone deletes must really leave the disks of the brokers: the active segment is compacted after this.
_ERASED_WITHIN_MS = 3 * _DAY_MS

_ID, _PLACE = "profile_id", "topic:partition:offset of the change"
_PLACE_OF_REQUEST = "topic:partition:offset of the request"
_BACKFILL = "The bulk lane: changes and requests to reindex that come beside the change stream."
_STATE = "What the indexer knows of each profile: its table's changelog."
_EMBEDDINGS = "Newest vector of each profile and model."
_DEAD_LETTERS = "Changes that can never succeed, with reason and bytes; without a value once they are closed."
_REFUSED = "Search requests that name no usable reply topic, with reason and bytes."
_ERASURES = "Proof of each erasure, without personal data."
_RUNS = "How far each backfill is."
_REPLIES = "Answers for `kith search`."
_IMPRESSIONS = "What requesters were shown for their questions."
_FEEDBACK = "What requesters did with hits."
_OBSERVATIONS = "How questions were answered while a rollout went on."
_ROLLOUTS = "How far each rollout of a model is."


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
        compaction = {"max.compaction.lag.ms": str(_ERASED_WITHIN_MS)} if "compact" in self.cleanup else {}
        return compaction | {
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
        state = f"profile.state.{model}" if model else "profile.state"

        def topic(name: str, kind: type, key: str, cleanup: str, retention_ms: int, doc: str, rooms: int = 1) -> Topic:
            return Topic(prefix + name, kind, key, cleanup, retention_ms, rooms * room, doc)

        self.changes = topic("profile.changes", ProfileChange, _ID, "delete", 7 * _DAY_MS, "The change stream.")
        self.backfill = topic("profile.backfill", ProfileChange, _ID, "delete", 7 * _DAY_MS, _BACKFILL)
        self.state = topic(state, ProfileState, _ID, "compact", _FOREVER, _STATE)
        self.embeddings = topic(
            "profile.embeddings", ProfileEmbedding, "profile_id@model", "compact", _FOREVER, _EMBEDDINGS
        )
        # Longer than what they account for: a missing one must mean something.
        self.receipts = topic("profile.receipts", Receipt, _ID, "delete", 14 * _DAY_MS, "Outcome of each change.")
        self.dead_letters = topic(
            "profile.dead-letters", DeadLetter, _PLACE, "compact,delete", 30 * _DAY_MS, _DEAD_LETTERS, rooms=2
        )
        self.erasures = topic("profile.erasures", Erasure, "erasure_id", "compact", _FOREVER, _ERASURES)
        self.runs = topic("profile.backfill-runs", BackfillRun, "run_id", "compact", _FOREVER, _RUNS)
        self.requests = topic("search.requests", SearchRequest, "none", "delete", _HOUR_MS, "Questions.")
        self.replies = topic("search.replies", SearchReply, "none", "delete", _HOUR_MS, _REPLIES, rooms=4)
        self.search_dead_letters = topic(
            "search.dead-letters", DeadLetter, _PLACE_OF_REQUEST, "delete", _DAY_MS, _REFUSED, rooms=2
        )
        self.impressions = topic(
            "search.impressions", SearchImpression, "request_id", "delete", 30 * _DAY_MS, _IMPRESSIONS
        )
        self.feedback = topic("search.feedback", SearchFeedback, "none", "delete", 30 * _DAY_MS, _FEEDBACK)
        self.observations = topic("search.observations", SearchObservation, "none", "delete", _DAY_MS, _OBSERVATIONS)
        self.rollouts = topic("search.rollouts", Rollout, "candidate", "compact", _FOREVER, _ROLLOUTS)

    def all(self) -> tuple[Topic, ...]:
        """Every topic, in the order of the data flow."""
        return (
            self.changes,
            self.backfill,
            self.state,
            self.embeddings,
            self.receipts,
            self.dead_letters,
            self.erasures,
            self.runs,
            self.requests,
            self.replies,
            self.search_dead_letters,
            self.impressions,
            self.feedback,
            self.observations,
            self.rollouts,
        )

    @property
    def inputs(self) -> tuple[Topic, Topic]:
        """What the indexer consumes: the change stream and the bulk lane."""
        return self.changes, self.backfill
