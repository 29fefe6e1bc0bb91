"""Who may do what on the bus: the least rights of each role, declared here and nowhere else.

An authorizer grants them to a principal; `kith topics acls` shows and applies them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from schemas.topics import Topic, Topics

# Consumer groups, after the prefix of an installation: one per model release, and that of all query consumers.
INDEXER_GROUPS = "kith-indexer-"
QUERY_GROUP = "kith-query"
# Of `kith search`: it reads a partition by itself, joins no group, and Kafka asks for a name all the same.
SEARCH_GROUP = "kith-search"
# What reads on its own names a group of its own, which it does not join; these do not carry the prefix.
_OWN_GROUPS = "kith-"


class Role(StrEnum):
    """What a principal is for."""

    SOURCE = "source"
    INDEXER = "indexer"
    QUERY = "query"
    CLIENT = "client"
    OPERATOR = "operator"


class Resource(StrEnum):
    """What a right is about, in Kafka's words."""

    TOPIC = "topic"
    GROUP = "group"


class Operation(StrEnum):
    """What may be done, in Kafka's words. Whoever may read or write may describe, too."""

    READ = "read"
    WRITE = "write"
    DESCRIBE = "describe"
    ALL = "all"


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One thing that a principal may do.

    Attributes:
        name: of the topic or group; with `prefixed`, of all whose names begin with it.
    """

    resource: Resource
    name: str
    operation: Operation
    prefixed: bool = False


WHAT_FOR = {
    Role.SOURCE: "writes profile changes: `kith produce`, a CDC connector",
    Role.INDEXER: "`kith index`",
    Role.QUERY: "`kith serve`",
    Role.CLIENT: "asks: `kith search`, a service of its own",
    Role.OPERATOR: "every other command: topics, audit, rebuild, erase, backfill, rollout, dead letters",
}


def rights_of(
    role: Role, topics: Topics, prefix: str, model: str, *, reply_topic: str | None = None, group: str | None = None
) -> tuple[Right, ...]:
    """The least rights of a role.

    Args:
        prefix: put before topics and groups of this installation.
        model: release of the indexer, whose table and group are its own.
        reply_topic: of a client; without it the shared one, on which every client reads the answers of all.
        group: consumer group of a client of its own.
    """
    if role is Role.SOURCE:
        return (_on(topics.changes, Operation.WRITE),)
    if role is Role.INDEXER:
        return _of_indexer(topics, prefix, model)
    if role is Role.QUERY:
        return _of_query(topics, prefix)
    if role is Role.CLIENT:
        return _of_client(topics, reply_topic or topics.replies.name, group)
    return (
        Right(Resource.TOPIC, f"{prefix}profile.", Operation.ALL, prefixed=True),
        Right(Resource.TOPIC, f"{prefix}search.", Operation.ALL, prefixed=True),
        *_own_groups(prefix, Operation.ALL),
    )


def topics_of(rights: Iterable[Right], topics: Topics) -> list[str]:
    """Names of the declared topics that these rights are about."""
    named = [right for right in rights if right.resource is Resource.TOPIC]
    return [
        topic.name
        for topic in topics.all()
        if any(topic.name.startswith(one.name) if one.prefixed else topic.name == one.name for one in named)
    ]


def _of_indexer(topics: Topics, prefix: str, model: str) -> tuple[Right, ...]:
    return (
        *(_on(topic, Operation.READ) for topic in (*topics.inputs, topics.state, topics.receipts, topics.rollouts)),
        *(
            _on(topic, Operation.WRITE)
            for topic in (topics.state, topics.embeddings, topics.receipts, topics.dead_letters)
        ),
        Right(Resource.GROUP, prefix + INDEXER_GROUPS + model, Operation.READ),
        *_own_groups(prefix, Operation.DESCRIBE),
    )


def _of_query(topics: Topics, prefix: str) -> tuple[Right, ...]:
    reads = (topics.requests, topics.rollouts, topics.observations, topics.feedback)
    writes = (topics.search_dead_letters, topics.impressions, topics.observations, topics.rollouts)
    return (
        *(_on(topic, Operation.READ) for topic in reads),
        *(_on(topic, Operation.WRITE) for topic in writes),
        # Each client may have a reply topic of its own, `search.replies.<name>`.
        Right(Resource.TOPIC, topics.replies.name, Operation.WRITE, prefixed=True),
        Right(Resource.GROUP, prefix + QUERY_GROUP, Operation.READ),
        # The commits of the indexers say what the index holds, and the records at them how old that is.
        *(_on(topic, Operation.READ) for topic in topics.inputs),
        *_own_groups(prefix, Operation.DESCRIBE),
    )


def _of_client(topics: Topics, reply_topic: str, group: str | None) -> tuple[Right, ...]:
    return (
        _on(topics.requests, Operation.WRITE),
        _on(topics.feedback, Operation.WRITE),
        Right(Resource.TOPIC, reply_topic, Operation.READ),
        Right(Resource.GROUP, SEARCH_GROUP, Operation.DESCRIBE),
        *(() if group is None else (Right(Resource.GROUP, group, Operation.READ),)),
    )


def _own_groups(prefix: str, operation: Operation) -> tuple[Right, ...]:
    names = sorted({_OWN_GROUPS, prefix + _OWN_GROUPS})
    return tuple(Right(Resource.GROUP, name, operation, prefixed=True) for name in names)


def _on(topic: Topic, operation: Operation) -> Right:
    return Right(Resource.TOPIC, topic.name, operation)
