"""What a reader yields for each record of a file, and the version and time a record gets when it brings none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from schemas.records import ProfileChange
from streams.clock import now_ms


@dataclass(frozen=True, slots=True)
class Parsed:
    """A record that could be read. Not validated yet.

    Attributes:
        line: line of the file on which the record starts, counted from 1; for made profiles, their number.
        original: the record's bytes as they stand in the file, without the line end.
        read_bytes: bytes of the file consumed up to the end of this record.
        left_out: paths of values that have no equivalent in our contract.
    """

    line: int
    change: ProfileChange
    original: bytes
    read_bytes: int
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that cannot be sent as it is.

    Attributes:
        line, original, read_bytes: as in `Parsed`.
        reason: what is wrong and what to do; never the profile's text.
        truncated: whether `original` holds only the start, because the record is longer than any reader keeps.
    """

    line: int
    reason: str
    original: bytes
    read_bytes: int
    truncated: bool = False


class Stamps:
    """Versions and event times for records that bring none.

    A version is the clock's milliseconds. It rises with every change of one profile, also within one millisecond; it is
    not raised for different profiles, or a fast run would get ahead of the clock and make the next run look stale.
    """

    def __init__(self, clock: Callable[[], int] = now_ms) -> None:
        self._clock = clock
        self._newest = 0
        self._have_newest: set[str] = set()

    def version(self, profile_id: str) -> int:
        """A version above every one given before for this profile, and below none given before for another."""
        now = self._clock()
        if now > self._newest:
            self._advance(now)
        elif profile_id in self._have_newest:
            self._advance(self._newest + 1)
        self._have_newest.add(profile_id)
        return self._newest

    def occurred_at(self) -> int:
        """Now, milliseconds since the epoch, UTC."""
        return self._clock()

    def _advance(self, to: int) -> None:
        self._newest = to
        self._have_newest.clear()
