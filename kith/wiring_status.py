"""What an installation is doing, part by part; a part that is away costs its own figures and no others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from kith import wiring, wiring_rollout
from kith.deadline import Deadline
from kith.errors import KithError
from kith.settings import Settings
from schemas.records import Outcome
from schemas.rollouts import Rollout
from schemas.topics import Topic
from streams.group_status import GroupStatus, group_status
from streams.recent_outcomes import recent_outcomes
from workers.model_collections import collection_name

# The longest that anything is waited for; the parts' own limits are shorter, and this one is for what they overlook.
_PATIENCE_S = 15.0
_INDEX_S = 8.0
# Receipts that are looked back for.
RECENT_S = 60.0
_MOST_RECEIPTS = 20_000
_FRESHNESS_S = 1.5


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A release: its collection, its profiles (None: not known), and its indexers (None: not known)."""

    model: str
    collection: str
    profiles: int | None
    indexers: GroupStatus | None


@dataclass(slots=True)
class InstallationStatus:
    """What is known of an installation; None is what is not, and `not_known` says why.

    Attributes:
        live: the live release, or the configured one while the index does not tell (`live_is_known`).
        candidate: the other release of a rollout that is under way, the one before after a promotion.
        phase: of the rollout that is under way.
        freshness_p95_ms: live changes of the last minute, milliseconds; None as well when there were none.
        outcomes: of the last minute, of both lanes.
    """

    live: ModelStatus | None = None
    live_is_known: bool = False
    candidate: ModelStatus | None = None
    phase: str | None = None
    freshness_p95_ms: float | None = None
    outcomes: Mapping[Outcome, int] | None = None
    searching: GroupStatus | None = None
    not_known: dict[str, str] = field(default_factory=dict)


Look = Callable[[], Any]


def installation_status(settings: Settings, away: Mapping[str, str] | None = None) -> InstallationStatus:
    """Look at every part; takes some seconds, and never longer than three times `_PATIENCE_S`.

    Args:
        away: parts (kafka, registry, index) that are known to be away, and why; they are not asked.
    """
    found = InstallationStatus(not_known=dict(away or {}))
    for part, address in _addresses(settings).items():
        if not address:
            found.not_known.setdefault(part, "its address is not set, and no local part is known")
    first = _answers(found, {"kafka": lambda: wiring.topic_admin(settings).partitions_held()})
    held: dict[str, int] | None = first.get("kafka")
    index = _answers(found, {"index": lambda: _live_model(settings)})
    model = index.get("index") or _configured(settings, found)
    if model is None:
        return found
    found.live_is_known = "index" in index
    looks: dict[str, Look] = {}
    if "index" in index:
        looks["profiles"] = lambda: _profiles(settings, model)
    if held is not None:
        looks |= _looks_at_kafka(settings, model, held, with_records="registry" not in found.not_known)
    seen = _answers(found, looks)
    found.live = _model(settings, model, seen)
    found.freshness_p95_ms, found.outcomes = seen.get("freshness"), seen.get("outcomes")
    found.searching = seen.get("query consumers")
    if (rollout := seen.get("rollout")) is not None and held is not None:
        _look_at_rollout(settings, found, rollout, held, with_index="index" in index)
    return found


def _addresses(settings: Settings) -> dict[str, str]:
    return {
        "kafka": settings.kafka_bootstrap,
        "registry": settings.schema_registry_url,
        "index": settings.milvus_uri,
    }


def _looks_at_kafka(settings: Settings, model: str, held: Mapping[str, int], *, with_records: bool) -> dict[str, Look]:
    declared, config = wiring.topics(settings), settings.kafka_client()
    looks: dict[str, Look] = {
        "indexers": lambda: _group(settings, wiring.group_of(settings, model), declared.inputs, held),
        "query consumers": lambda: _group(settings, wiring.query_group(settings), [declared.requests], held),
    }
    if with_records:
        looks |= {
            "freshness": lambda: _freshness(settings, model),
            "outcomes": lambda: _with_codec(
                settings, lambda records: recent_outcomes(config, records, declared, model, RECENT_S, _MOST_RECEIPTS)
            ),
            "rollout": lambda: _with_codec(settings, lambda records: wiring.rollout_log(settings, records).running()),
        }
    return looks


def _look_at_rollout(
    settings: Settings, found: InstallationStatus, rollout: Rollout, held: Mapping[str, int], *, with_index: bool
) -> None:
    # Once promoted, the model before it is the one beside.
    beside = rollout.candidate if found.live is None or found.live.model != rollout.candidate else rollout.baseline
    inputs = wiring.topics(settings).inputs
    looks: dict[str, Look] = {"indexers": lambda: _group(settings, wiring.group_of(settings, beside), inputs, held)}
    if with_index:
        looks["profiles"] = lambda: _profiles(settings, beside)
    found.candidate = _model(settings, beside, _answers(found, looks, of=f" of {beside}"))
    found.phase = rollout.phase.value


def _model(settings: Settings, model: str, seen: Mapping[str, Any]) -> ModelStatus:
    collection = collection_name(model, settings.collection_prefix)
    return ModelStatus(model, collection, seen.get("profiles"), seen.get("indexers"))


def _configured(settings: Settings, found: InstallationStatus) -> str | None:
    try:
        return wiring.release(settings).manifest.name
    except KithError as error:
        found.not_known["model"] = str(error)
        return None


def _live_model(settings: Settings) -> str:
    held = wiring.index(settings)
    try:
        return wiring_rollout.live(settings, held)
    finally:
        held.close()


def _profiles(settings: Settings, model: str) -> int:
    held = wiring.index(settings)
    try:
        return held.count(collection_name(model, settings.collection_prefix), _INDEX_S)
    finally:
        held.close()


def _group(settings: Settings, group: str, topics: Collection[Topic], held: Mapping[str, int]) -> GroupStatus:
    places = [(topic.name, number) for topic in topics for number in range(held.get(topic.name, 0))]
    return group_status(settings.kafka_client(), group, places)


def _freshness(settings: Settings, model: str) -> float | None:
    def look(records: Any) -> float | None:
        one = wiring_rollout.freshness(settings, model, records, RECENT_S)
        try:
            one.settled_p95_ms(_FRESHNESS_S)
            return one.p95_ms(RECENT_S)
        finally:
            one.close()

    answer: float | None = _with_codec(settings, look)
    return answer


def _with_codec(settings: Settings, look: Callable[[Any], Any]) -> Any:
    records = wiring.codec(settings)
    try:
        return look(records)
    finally:
        records.close()


def _answers(found: InstallationStatus, looks: Mapping[str, Look], of: str = "") -> dict[str, Any]:
    """What each look answered, all asked at once; why one did not goes to `found.not_known`.

    Daemon threads, and no pool: a client that hangs must not keep the command from ending.
    """
    answers: dict[str, Any] = {}
    failures: dict[str, str] = {}

    def ask(name: str, look: Look) -> None:
        try:
            answers[name] = look()
        except KithError as error:
            failures[name] = str(error)

    wanted = {name: look for name, look in looks.items() if name not in found.not_known}
    threads = {name: threading.Thread(target=ask, args=(name, look), daemon=True) for name, look in wanted.items()}
    for thread in threads.values():
        thread.start()
    deadline = Deadline.after(_PATIENCE_S)
    for name, thread in threads.items():
        thread.join(deadline.remaining())
        if thread.is_alive():
            failures[name] = f"no answer within {_PATIENCE_S:.0f} s"
    found.not_known.update({f"{name}{of}": why for name, why in failures.items()})
    return {name: answers[name] for name in wanted if name in answers and name not in failures}
