"""A thousand events that consumers stumble over, each kind on profiles of its own: a profile's id begins with its kind.

| kind | events of a profile |
|---|---|
| `new` | a profile |
| `updated` | a profile, and two newer versions |
| `patched` | a profile, and two patches |
| `deleted` | a profile, and its deletion |
| `tombstoned` | a profile, and a null value |
| `back` | a profile, a null value, and the profile again |
| `doubled` | two versions, one right after the other, so that they share a batch |
| `late` | versions 1, 3 and 2, in this order |
| `risen` | version 1, a deletion as version 3, and version 2 |
| `bad` | one record that can never succeed, of eight kinds |
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from distill.synthetic import synthetic_profiles
from schemas.records import Operation, Profile, ProfileChange

EVENTS = 1000
BAD = "bad"
COUNTS = {
    "new": 180,
    "updated": 60,
    "patched": 50,
    "deleted": 30,
    "tombstoned": 40,
    "back": 20,
    "doubled": 50,
    "late": 30,
    "risen": 20,
    BAD: 40,
}
_BEGAN_MS = 1_700_000_000_000

Encode = Callable[[ProfileChange], bytes]


@dataclass(frozen=True, slots=True)
class Event:
    """A record to send."""

    key: bytes | None
    value: bytes | None


def kind_of(profile_id: str) -> str:
    """The kind that a profile's id begins with."""
    return profile_id.partition("-")[0]


def script(encode: Encode, seed: int) -> list[Event]:
    """The events, mixed; those of one profile stay in their order.

    Args:
        encode: a change to the bytes of its record.
    """
    chance = random.Random(seed)
    people = iter(synthetic_profiles(sum(COUNTS.values()), seed))
    placed: list[tuple[float, Sequence[Event]]] = []
    for kind, count in COUNTS.items():
        for number in range(count):
            steps = list(_steps(kind, f"{kind}-{number}", next(people).profile, encode, number))
            moments = sorted(chance.random() for _ in steps)
            placed.extend(zip(moments, steps, strict=True))
    placed.sort(key=lambda one: one[0])
    return [event for _moment, step in placed for event in step]


def _steps(kind: str, who: str, profile: Profile, encode: Encode, number: int) -> Iterator[Sequence[Event]]:
    """Events of one profile; those of one step stay together."""
    key = who.encode()
    null = [Event(key, None)]

    def whole(version: int) -> list[Event]:
        return [Event(key, encode(_upsert(who, version, profile)))]

    def gone(version: int) -> list[Event]:
        return [Event(key, encode(ProfileChange(who, version, _BEGAN_MS + version, Operation.DELETE)))]

    def patched(version: int) -> list[Event]:
        return [Event(key, encode(_patch(who, version)))]

    plans: dict[str, list[list[Event]]] = {
        "new": [whole(1)],
        "updated": [whole(1), whole(2), whole(3)],
        "patched": [whole(1), patched(2), patched(3)],
        "deleted": [whole(1), gone(2)],
        "tombstoned": [whole(1), null],
        "back": [whole(1), null, whole(2)],
        "doubled": [whole(1) + whole(2)],
        "late": [whole(1), whole(3), whole(2)],
        "risen": [whole(1), gone(3), whole(2)],
        BAD: [[_bad(who, profile, encode, number)]],
    }
    yield from plans[kind]


def _upsert(who: str, version: int, profile: Profile) -> ProfileChange:
    said = replace(profile, headline=f"{profile.headline or 'At work'}, version {version}")
    return ProfileChange(who, version, _BEGAN_MS + version, Operation.UPSERT, "contrast", said)


def _patch(who: str, version: int) -> ProfileChange:
    said = Profile("-", headline=f"Keeper of bees, version {version}")
    return ProfileChange(who, version, _BEGAN_MS + version, Operation.PATCH, "contrast", said, ["headline"])


def _bad(who: str, profile: Profile, encode: Encode, number: int) -> Event:
    key, whole = who.encode(), encode(_upsert(who, 1, profile))
    kinds = [
        Event(key, b"not avro at all"),
        Event(key, b""),
        Event(key, b"\x00\x00\x0f\xff\xff1234"),
        Event(key, whole[:-3]),
        Event(f"{BAD}-of-somebody-else-{number}".encode(), whole),
        Event(b"\xff\xfe", whole),
        Event(None, whole),
        Event(key, encode(_patch(who, 1))),
    ]
    return kinds[number % len(kinds)]
