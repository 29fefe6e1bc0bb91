"""What an index has to hold after a log, worked out record by record, and how another one differs. Pure.

It shares the rules of a valid change with kith, and no code with what decides there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace

from benchmarks.contrast_script import BAD, kind_of
from kith.errors import KithError
from schemas.records import Operation, Profile, ProfileChange
from schemas.validation import validate_change
from streams.topic_reader import Stored

Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Held:
    """A row of an index."""

    profile_id: str
    version: int
    text: str


@dataclass
class Truth:
    """What is right.

    Attributes:
        held: by profile id.
        bad: records that can never succeed.
    """

    held: dict[str, Held] = field(default_factory=dict)
    bad: set[Place] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Findings:
    """How an index and what was kept beside it differ from the truth; counts of profiles, rows and records.

    Attributes:
        lost: profiles that are not there and should be.
        stale: profiles that are there in another version or with another text.
        duplicated: rows beyond one a profile.
        resurrected: profiles that are there though they were deleted.
        let_in: profiles that are there by a record that can never be right.
        swallowed: bad records without a dead letter.
        logged: of the swallowed, those that a line of the log names.
        wrong: profiles that are wrong in any way, by the kind of their events.
    """

    lost: int
    stale: int
    duplicated: int
    resurrected: int
    let_in: int
    swallowed: int
    logged: int
    wrong: dict[str, int]

    @property
    def none(self) -> bool:
        """Whether nothing differs."""
        counts = (self.lost, self.stale, self.duplicated, self.resurrected, self.let_in, self.swallowed)
        return not any(counts)


def truth(
    records: Iterable[Stored], decode: Callable[[bytes], ProfileChange], render: Callable[[Profile], str]
) -> Truth:
    """Work it out, from records in the order of the log.

    Args:
        decode: raises `kith.errors.KithError` for bytes that are no change.
    """
    found = Truth()
    newest: dict[str, int] = {}
    profiles: dict[str, Profile] = {}
    for record in records:
        try:
            who, change = _read(record, decode)
            _apply(who, change, newest, profiles)
        except (KithError, UnicodeDecodeError, ValueError):
            found.bad.add((record.partition, record.offset))
    found.held = {who: Held(who, newest[who], render(profile)) for who, profile in profiles.items()}
    return found


def _read(record: Stored, decode: Callable[[bytes], ProfileChange]) -> tuple[str, ProfileChange | None]:
    who = record.key.decode()
    if not who:
        raise ValueError("no key")
    if record.value is None:
        return who, None
    change = decode(record.value)
    validate_change(change)
    if change.profile_id != who:
        raise ValueError("another key")
    return who, change


def _apply(who: str, change: ProfileChange | None, newest: dict[str, int], profiles: dict[str, Profile]) -> None:
    if change is None:
        newest.setdefault(who, -1)
        profiles.pop(who, None)
        return
    if change.version <= newest.get(who, -1):
        return
    if change.operation is Operation.DELETE or change.profile is None:
        profiles.pop(who, None)
    elif change.changed is None:
        profiles[who] = change.profile
    elif who in profiles:
        profiles[who] = replace(profiles[who], **{name: getattr(change.profile, name) for name in change.changed})
    else:
        raise ValueError("nothing to patch")
    newest[who] = change.version


def compare(right: Truth, rows: Collection[Held], dead_letters: set[Place], logged: set[Place]) -> Findings:
    """Hold rows and dead letters against what is right."""
    held = {row.profile_id: row for row in rows}
    lost = right.held.keys() - held.keys()
    stale = {who for who in right.held.keys() & held.keys() if right.held[who] not in rows}
    beyond = held.keys() - right.held.keys()
    let_in = {who for who in beyond if kind_of(who) == BAD}
    doubled = [who for who, count in Counter(row.profile_id for row in rows).items() if count > 1]
    swallowed = right.bad - dead_letters
    return Findings(
        lost=len(lost),
        stale=len(stale),
        duplicated=len(rows) - len(held),
        resurrected=len(beyond - let_in),
        let_in=len(let_in),
        swallowed=len(swallowed),
        logged=len(swallowed & logged),
        wrong=dict(Counter(kind_of(who) for who in {*lost, *stale, *beyond, *doubled})),
    )
