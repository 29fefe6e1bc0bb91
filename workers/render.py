"""Profile to the text that is embedded. Training uses this same function; a changed output is a new renderer id."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.records import Education, Position, Profile

RENDERER_ID = "profile-text-1"

# The most the encoder could read (256 word pieces) is far below this; it bounds what is hashed, stored and shown.
MAX_TEXT_CHARS = 4000
_MAX_SUMMARY_CHARS = 2400
_MAX_DESCRIPTION_CHARS = 300
_MAX_SKILLS = 20
_MAX_PAST_POSITIONS = 4


def render(profile: Profile) -> str:
    """The text of a profile: what says most about the person's work first, because encoders read a bounded length.

    Order: headline, present job, summary, skills, past jobs, education, industry, place. The name is left out: it
    says nothing about the work, and would let a namesake match.

    Returns:
        One line of at most `MAX_TEXT_CHARS` characters; never empty ("Profile." when nothing is known).
    """
    present, past = _split_career(profile.positions)
    parts = [
        profile.headline,
        *(_position(p) for p in present),
        _cut(profile.summary or "", _MAX_SUMMARY_CHARS),
        _listed("Skills", profile.skills[:_MAX_SKILLS]),
        _listed("Before", (_past_position(p) for p in past[:_MAX_PAST_POSITIONS])),
        *(_education(e) for e in profile.education[:2]),
        profile.industry,
        _place(profile),
    ]
    text = " ".join(_sentence(part) for part in parts if part and part.strip())
    return _cut(text, MAX_TEXT_CHARS) or "Profile."


def _split_career(positions: list[Position]) -> tuple[list[Position], list[Position]]:
    present = [p for p in positions if p.end is None][:2] or positions[:1]
    return present, [p for p in positions if p not in present]


def _position(position: Position) -> str:
    where = f" at {position.company}" if position.company else ""
    what = f": {_cut(position.description, _MAX_DESCRIPTION_CHARS)}" if position.description else ""
    return f"{position.title}{where}{what}"


def _past_position(position: Position) -> str:
    return f"{position.title} at {position.company}" if position.company else position.title


def _education(education: Education) -> str:
    degree = " ".join(x for x in (education.degree, education.field) if x)
    return f"{degree}, {education.school}" if degree else education.school


def _place(profile: Profile) -> str:
    return profile.location or profile.country or ""


def _listed(label: str, items: Iterable[str]) -> str:
    # dict keeps the first of each: duplicated skills are common and say nothing more.
    unique = dict.fromkeys(" ".join(item.split()) for item in items if item.strip())
    return f"{label}: {', '.join(unique)}" if unique else ""


def _sentence(part: str) -> str:
    line = " ".join(part.split())
    return line if line.endswith((".", "!", "?", "…", "。")) else f"{line}."


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return text[:limit].rsplit(" ", 1)[0]
