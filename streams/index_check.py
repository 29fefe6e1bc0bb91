"""Whether the index holds what the table says; with bounded memory, since what is known lies on disk meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from streams.scratch import Scratch


class Wrong(StrEnum):
    """What may be wrong with a profile in the index."""

    MISSING = "missing"
    EXTRA = "extra"
    OLDER = "older"
    NEWER = "newer"


@dataclass(frozen=True, slots=True)
class Known:
    """What the table says of a profile. `version` None: it must not be in the index."""

    profile_id: str
    version: int | None


@dataclass(frozen=True, slots=True)
class WrongProfile:
    """A profile that the index holds wrongly: the versions that are there and should be; None for none."""

    profile_id: str
    found: int | None
    known: int | None

    @property
    def kind(self) -> Wrong:
        """How it is wrong."""
        if self.found is None:
            return Wrong.MISSING
        if self.known is None:
            return Wrong.EXTRA
        return Wrong.OLDER if self.found < self.known else Wrong.NEWER


@dataclass(slots=True)
class IndexFindings:
    """The index held against the table.

    Attributes:
        right: profiles at the version that they should have.
        counts: all wrong ones by kind.
        wrong: the first of them, up to a bound.
    """

    right: int = 0
    counts: Counter[Wrong] = field(default_factory=Counter)
    wrong: list[WrongProfile] = field(default_factory=list)

    @property
    def all_named(self) -> bool:
        """Whether `wrong` holds every wrong profile."""
        return len(self.wrong) == self.counts.total()

    def note(self, profile: WrongProfile, most: int) -> None:
        """Count a wrong profile, and name it if there is room."""
        self.counts[profile.kind] += 1
        if len(self.wrong) < most:
            self.wrong.append(profile)


def compare_index(known: Iterable[Known], held: Iterable[tuple[str, int]], most: int) -> IndexFindings:
    """Hold the index against the table.

    Args:
        known: of every profile, oldest state first; a later one replaces an earlier one.
        held: profile id and version of every row of the index, once each.
        most: wrong profiles to name; all are counted.
    """
    found = IndexFindings()
    with Scratch() as expected:
        for state in known:
            expected.put(state.profile_id, None if state.version is None else b"%d" % state.version)
        for profile_id, version in held:
            value = expected.take(profile_id)
            if value is not None and int(value) == version:
                found.right += 1
            else:
                found.note(WrongProfile(profile_id, version, None if value is None else int(value)), most)
        for profile_id, value in expected.items():
            found.note(WrongProfile(profile_id, None, int(value)), most)
    return found


def still_wrong(found: IndexFindings, known: Iterable[Known], held: dict[str, int]) -> IndexFindings:
    """What is wrong on a second look at the profiles that are named: traffic goes on while an audit reads.

    Args:
        known: what the table has learnt of any profile since.
        held: versions that the index has now of the named ones.
    """
    expected = {profile.profile_id: profile.known for profile in found.wrong}
    for state in known:
        if state.profile_id in expected:
            expected[state.profile_id] = state.version
    again = IndexFindings(found.right, found.counts - Counter(profile.kind for profile in found.wrong))
    for profile_id, version in expected.items():
        if held.get(profile_id) == version:
            again.right += version is not None
        else:
            again.note(WrongProfile(profile_id, held.get(profile_id), version), len(expected))
    return again
