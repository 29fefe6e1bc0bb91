"""What requesters did with what they were shown: sums by model, mode, action and rank. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from schemas.rollouts import FeedbackAction
from schemas.search_records import SearchImpression

# A hit was of use: what click-through counts.
CLICKS = frozenset({FeedbackAction.VIEW, FeedbackAction.CONNECT, FeedbackAction.MESSAGE})
# Ranks after this one are counted together, as the one after it.
LAST_POSITION = 100


@dataclass(slots=True)
class PositionSums:
    """Hits shown at one rank, and those of them that were clicked, each once."""

    shown: int = 0
    clicked: int = 0


@dataclass(slots=True)
class GroupSums:
    """What one model showed in one mode.

    Attributes:
        clicked: impressions with at least one click.
        actions: feedback on hits that were shown.
        positions: by rank from 1 on, pages passed over included; `LAST_POSITION` + 1 holds every later one.
    """

    impressions: int = 0
    clicked: int = 0
    actions: Counter[FeedbackAction] = field(default_factory=Counter)
    positions: dict[int, PositionSums] = field(default_factory=dict)


@dataclass(slots=True)
class FeedbackSums:
    """All of it. Each counter of feedback is by action, and each piece of feedback is in exactly one.

    Attributes:
        groups: by model and mode of the impression.
        without: feedback whose impression is nowhere.
        earlier: feedback on impressions from before the time that was asked for.
        not_shown: feedback on a profile that its impression does not have.
        duplicates: the same action on the same hit, told again.
        repeated: impressions that were logged again.
        unreadable: records of either topic that cannot be read.
        other_model: feedback that names another model than its impression; counted under the impression's.
    """

    groups: dict[tuple[str, str], GroupSums] = field(default_factory=dict)
    without: Counter[FeedbackAction] = field(default_factory=Counter)
    earlier: Counter[FeedbackAction] = field(default_factory=Counter)
    not_shown: Counter[FeedbackAction] = field(default_factory=Counter)
    duplicates: int = 0
    repeated: int = 0
    unreadable: int = 0
    other_model: int = 0

    def take(self, impression: SearchImpression, told: Mapping[str, Collection[FeedbackAction]]) -> None:
        """Count an impression.

        Args:
            told: what was done with its hits, by profile id; counted where a profile stands first.
        """
        group = self.groups.setdefault((impression.model, impression.mode), GroupSums())
        group.impressions += 1
        clicked, left = False, dict(told)
        for place, hit in enumerate(impression.hits, start=impression.offset + 1):
            position = group.positions.setdefault(min(place, LAST_POSITION + 1), PositionSums())
            position.shown += 1
            actions = left.pop(hit.profile_id, ())
            group.actions.update(actions)
            if not CLICKS.isdisjoint(actions):
                position.clicked += 1
                clicked = True
        group.clicked += clicked

    def positions(self) -> dict[int, PositionSums]:
        """Of all groups together, in order of the ranks."""
        sums: dict[int, PositionSums] = {}
        for group in self.groups.values():
            for place, one in group.positions.items():
                total = sums.setdefault(place, PositionSums())
                total.shown += one.shown
                total.clicked += one.clicked
        return dict(sorted(sums.items()))
