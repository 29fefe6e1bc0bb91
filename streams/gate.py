"""What is known of a profile decides what becomes of a change: newer, the same, or late. Pure.

Decisions fold over a micro-batch in the order of the log, so that several changes of a profile are worked on once, and
repeat themselves for records that a crash brings again (docs/architecture.md, "Exactly one outcome").
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from kith.errors import InputError
from schemas.records import KnownProfile, Operation, Outcome, Profile, ProfileChange, SettledChange
from streams.incoming import Change, Place
from workers.render import Renderer

UNNUMBERED = -1


class Kind(Enum):
    """What has to happen to the index."""

    EMBED = auto()
    FIELDS = auto()
    DELETE = auto()


@dataclass(frozen=True, slots=True)
class Work:
    """One profile's work of a batch.

    Attributes:
        text: what the index has to hold a vector of; None for a deletion.
        after: what is known once it is done.
        outcomes: of every change that ends with it.
    """

    profile_id: str
    kind: Kind
    text: str | None
    after: KnownProfile
    outcomes: tuple[tuple[Change, Outcome], ...]


@dataclass(slots=True)
class Plan:
    """A batch, decided.

    Attributes:
        work: at most one a profile, in order of arrival.
        aside: changes that need no work of their own, with their outcomes.
        refused: changes that can never be applied, with the reason.
    """

    work: list[Work] = field(default_factory=list)
    aside: list[tuple[Change, Outcome]] = field(default_factory=list)
    refused: list[tuple[Change, InputError]] = field(default_factory=list)


def plan(
    changes: Iterable[Change],
    known: Mapping[str, KnownProfile],
    render: Renderer,
    outcomes: Mapping[Place, Outcome] | None = None,
) -> Plan:
    """Decide what becomes of changes, given in the order of their offsets; what came on the bulk lane goes last.

    Args:
        known: what the table holds of the profiles concerned; one that it has never seen is absent.
        render: profile to text, as the release has it whose table this is.
        outcomes: that a crash before a commit left of changes that needed no work.
    """
    decided = Plan()
    folded: dict[str, _Fold] = {}
    for change in sorted(changes, key=lambda one: one.incoming.bulk):
        fold = folded.setdefault(change.profile_id, _Fold(known.get(change.profile_id), render))
        fold.take(change, (outcomes or {}).get(change.incoming.place), decided)
    works = (fold.work(profile_id) for profile_id, fold in folded.items())
    decided.work.extend(work for work in works if work is not None)
    return decided


class _Fold:
    """The changes of one profile in one batch, one after the other: how the log is cut must not show in an outcome."""

    def __init__(self, before: KnownProfile | None, render: Renderer) -> None:
        self._render = _remembering(render)
        self._before = before
        self._now = before
        settled = [] if before is None else before.settled
        self._repeated = {(ended.bulk, ended.offset): ended.outcome for ended in settled}
        self._counted: list[tuple[Change, Outcome]] = []
        self._ended: list[SettledChange] = []
        self._anew = False

    def take(self, change: Change, outcome: Outcome | None, decided: Plan) -> None:
        repeated = self._repeated.get((change.incoming.bulk, change.incoming.offset), outcome)
        if repeated is not None and repeated is not Outcome.DEAD_LETTERED:
            decided.aside.append((change, repeated))
            self._end(change, repeated)
        elif change.change is not None and change.change.operation is Operation.REINDEX:
            self._reindex(change)
        else:
            self._judge(change, decided, refused_before=repeated is not None)

    def _judge(self, change: Change, decided: Plan, *, refused_before: bool) -> None:
        try:
            verdict = judge(self._now, change, self._render)
            if refused_before:
                raise InputError("It was refused before the indexer was ended.", "Replay it if it is right by now.")
        except InputError as error:
            decided.refused.append((change, error))
            self._end(change, Outcome.DEAD_LETTERED)
            return
        if isinstance(verdict, Outcome):
            decided.aside.append((change, verdict))
            self._end(change, verdict)
            return
        outcome = _outcome(self._now, verdict)
        self._now = verdict
        self._count(change, outcome)

    def _reindex(self, change: Change) -> None:
        """Nothing new is known by it."""
        self._now = self._now or KnownProfile(UNNUMBERED, None, None, None)
        self._anew = True
        self._count(change, Outcome.DELETED if self._now.profile is None else Outcome.INDEXED)

    def _count(self, change: Change, outcome: Outcome) -> None:
        self._counted.append((change, outcome))
        self._end(change, outcome)

    def work(self, profile_id: str) -> Work | None:
        """What has to happen to the index; None when nothing counted."""
        if not self._counted or self._now is None:
            return None
        last = {one.bulk: one.offset for one in self._ended}
        before = [] if self._before is None else self._before.settled
        # What this batch did not reach had its outcome before a crash, when the log was cut otherwise.
        settled = self._ended + [one for one in before if one.offset > last.get(one.bulk, -1)]
        now = self._now
        after = KnownProfile(now.version, now.occurred_at, now.profile, now.text_sha256, settled)
        text = None if after.profile is None else self._render(after.profile)
        return Work(profile_id, self._kind(), text, after, tuple(self._counted))

    def _kind(self) -> Kind:
        if self._now is None or self._now.profile is None:
            return Kind.DELETE
        held = not self._anew and self._before is not None and self._before.text_sha256 == self._now.text_sha256
        return Kind.FIELDS if held else Kind.EMBED

    def _end(self, change: Change, outcome: Outcome) -> None:
        self._ended.append(SettledChange(change.incoming.offset, outcome, change.incoming.bulk))


def _remembering(render: Renderer) -> Renderer:
    """Renders a profile once that is asked for twice in turn: for its digest, and for its vector."""
    last: tuple[Profile, str] | None = None

    def rendered(profile: Profile) -> str:
        nonlocal last
        if last is None or last[0] is not profile:
            last = profile, render(profile)
        return last[1]

    return rendered


def _outcome(before: KnownProfile | None, after: KnownProfile) -> Outcome:
    if after.profile is None:
        return Outcome.DELETED
    same = before is not None and before.text_sha256 == after.text_sha256
    return Outcome.UNCHANGED if same else Outcome.INDEXED


def judge(known: KnownProfile | None, change: Change, render: Renderer) -> KnownProfile | Outcome:
    """What is known after a change, or the outcome of one that changes nothing.

    Args:
        render: as in `plan`.

    Raises:
        InputError: a patch has nothing to patch.
    """
    record = change.change
    if record is None:
        return _tombstone(known)
    if known is not None and record.version < known.version:
        return Outcome.STALE
    if known is not None and record.version == known.version:
        return Outcome.UNCHANGED if _says(record, known) else Outcome.STALE
    profile = _content(record, known)
    digest = None if profile is None else hashlib.sha256(render(profile).encode()).digest()
    return KnownProfile(record.version, record.occurred_at, profile, digest)


def _tombstone(known: KnownProfile | None) -> KnownProfile | Outcome:
    """It has no version of its own: it deletes whatever came before it."""
    if known is None:
        return KnownProfile(UNNUMBERED, None, None, None)
    if known.profile is None:
        return Outcome.UNCHANGED
    return KnownProfile(known.version, None, None, None)


def _content(record: ProfileChange, known: KnownProfile | None) -> Profile | None:
    if record.operation is Operation.DELETE:
        return None
    if record.profile is None:
        raise InputError("The change carries no profile.", "Send operation DELETE to delete.")
    if record.changed is None:
        return record.profile
    if known is None or known.profile is None:
        state = "unknown" if known is None else "deleted"
        raise InputError(f"The patch is for a profile that is {state}.", "Send the whole profile first.")
    return _patched(known.profile, record)


def _patched(profile: Profile, record: ProfileChange) -> Profile:
    return replace(profile, **{name: getattr(record.profile, name) for name in record.changed or ()})


def _says(record: ProfileChange, known: KnownProfile) -> bool:
    """Whether a change of the known version says what is known."""
    if record.operation is Operation.DELETE or record.profile is None or known.profile is None:
        return (record.operation is Operation.DELETE) == (known.profile is None)
    return known.profile == (record.profile if record.changed is None else _patched(known.profile, record))
