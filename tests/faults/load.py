"""A seeded load of the change stream, and what must have become of it, by a model that shares no code with the gate."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from kith import wiring
from kith.deadline import Deadline
from kith.errors import Unavailable
from kith.services.process import pause
from kith.settings import Settings
from schemas.records import Operation, Profile, ProfileChange
from streams.clock import now_ms
from streams.publisher import Outgoing
from streams.topic_reader import read_topic

_PATIENCE_S = 180.0
_TRADES = ("roofer", "baker", "diver", "nurse", "notary", "glazier", "tailor", "welder", "pilot", "farrier")


def garbage(codec, subject: str, kind: int, profile_id: str) -> Outgoing:
    """One of eight kinds of records that can never succeed."""
    whole = codec.encode(subject, ProfileChange(profile_id, 1, now_ms(), Operation.DELETE))
    key = profile_id.encode()
    key, value = (
        (key, b"not avro at all"),
        (key, b""),
        (key, b"\x00\x00\x0f\xff\xff1234"),
        (key, whole[:-3]),
        (b"somebody-else", whole),
        (b"\xff\xfe", whole),
        (None, whole),
        (key, b"\x00" * 300_000),
    )[kind]
    return Outgoing("", key, value)


@dataclass
class Load(threading.Thread):
    """Sends changes until it is told to end, at a rate; what Kafka does not take is sent again.

    Attributes:
        garbage_every: one record in so many can never succeed; 0 sends none.
    """

    settings: Settings
    seed: int
    per_s: float = 120.0
    profiles: int = 200
    garbage_every: int = 0
    sent: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self._random = random.Random(self.seed)
        self._versions: dict[str, int] = {}
        self._last: list[Outgoing] = []
        self._failed: BaseException | None = None

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        try:
            self._send()
        except BaseException as error:
            self._failed = error
            raise

    def finish(self) -> None:
        """End, once everything handed over is acknowledged."""
        self.ended.set()
        self.join(_PATIENCE_S)
        assert not self.is_alive(), "the load does not end"
        assert self._failed is None, self._failed

    def _send(self) -> None:
        codec, topic = wiring.codec(self.settings), wiring.topics(self.settings).changes
        publisher = wiring.publisher(self.settings)
        while not self.ended.is_set():
            count = self._random.randint(5, 40)
            piece = [self._one(codec, topic.subject) for _ in range(count)]
            piece = [Outgoing(topic.name, one.key, one.value) for one in piece]
            self._publish(publisher, piece)
            self.sent += len(piece)
            self._last = piece
            pause(count / self.per_s)
        codec.close()

    def _publish(self, publisher, piece: Sequence[Outgoing]) -> None:
        deadline = Deadline.after(_PATIENCE_S)
        while True:
            try:
                publisher.publish(piece, Deadline.after(20.0))
            except Unavailable:
                if deadline.expired():
                    raise
                pause(0.5)
            else:
                return

    def _one(self, codec, subject: str) -> Outgoing:
        profile_id = f"p{self._random.randrange(self.profiles)}"
        if self.garbage_every and self._random.randrange(self.garbage_every) == 0:
            return garbage(codec, subject, self._random.randrange(8), profile_id)
        kind = self._random.random()
        if kind < 0.06 and self._last:
            return self._random.choice(self._last)
        if kind < 0.10:
            return Outgoing("", profile_id.encode(), None)
        return Outgoing("", profile_id.encode(), codec.encode(subject, self._change(profile_id, kind)))

    def _change(self, profile_id: str, kind: float) -> ProfileChange:
        newest = self._versions.get(profile_id, 0)
        late = kind < 0.18
        version = max(0, newest - self._random.randint(0, 3)) if late else newest + 1
        self._versions[profile_id] = max(newest, version)
        if kind < 0.25:
            return ProfileChange(profile_id, version, now_ms(), Operation.DELETE)
        headline = f"{self._random.choice(_TRADES)} {self._random.randrange(50)}"
        profile = Profile(f"{profile_id} at {version}", headline=headline, country="DE")
        if kind < 0.45:
            return ProfileChange(profile_id, version, now_ms(), Operation.PATCH, "load", profile, ["name", "headline"])
        if kind < 0.65:
            return ProfileChange(profile_id, version, now_ms(), Operation.PATCH, "load", profile, ["name"])
        return ProfileChange(profile_id, version, now_ms(), Operation.UPSERT, "load", profile)


def expected(settings: Settings) -> dict[str, tuple[int, str, str]]:
    """Version, name and headline of each profile that must be in the index, from the log alone."""
    codec, topic = wiring.codec(settings), wiring.topics(settings).changes
    held: dict[str, tuple[int, str, str] | None] = {}
    newest: dict[str, int] = {}
    for record in read_topic(settings.kafka_client(), topic.name):
        try:
            profile_id = record.key.decode()
            change = None if record.value is None else codec.decode(record.value, ProfileChange)
        except Exception:  # noqa: BLE001, S112 - whatever cannot be read has no effect
            continue
        if not profile_id or (change is not None and change.profile_id != profile_id):
            continue
        _apply(held, newest, profile_id, change)
    codec.close()
    return {profile_id: state for profile_id, state in held.items() if state is not None}


def _apply(held, newest, profile_id: str, change: ProfileChange | None) -> None:
    if change is None:
        newest.setdefault(profile_id, -1)
        held[profile_id] = None
        return
    if profile_id in newest and change.version <= newest[profile_id]:
        return
    before = held.get(profile_id)
    if change.operation is Operation.PATCH:
        if before is None:
            return
        headline = change.profile.headline if "headline" in change.changed else before[2]
        held[profile_id] = (change.version, change.profile.name, headline)
    elif change.operation is Operation.DELETE:
        held[profile_id] = None
    else:
        held[profile_id] = (change.version, change.profile.name, change.profile.headline)
    newest[profile_id] = change.version
