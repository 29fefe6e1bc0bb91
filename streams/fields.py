"""A profile to the scalar fields that stand beside its vector. Pure."""

from __future__ import annotations

from schemas.records import Profile
from workers.contract import PUBLIC, ProfileFields

# Of a date, YYYY or YYYY-MM.
_YEAR = 4


def profile_fields(profile: Profile, occurred_at: int | None) -> ProfileFields:
    """What filters compare and what a hit shows; `occurred_at`: milliseconds since the epoch, UTC, 0 when unknown."""
    return ProfileFields(
        name=profile.name,
        headline=profile.headline or "",
        location=profile.location or "",
        country=profile.country or "",
        industry=profile.industry or "",
        seniority=profile.seniority or "",
        skills=tuple(profile.skills),
        languages=tuple(profile.languages),
        occurred_at_ms=occurred_at or 0,
        # Only what says nothing is for everybody.
        visibility=PUBLIC if profile.visibility is None else profile.visibility,
        career_since=min((int(one.start[:_YEAR]) for one in profile.positions if one.start), default=0),
    )
