"""Profile to the text that is embedded, one function an id. A changed output is a new id, and so a new release."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from kith.errors import ReleaseError
from schemas.records import Education, Position, Profile

Renderer = Callable[[Profile], str]

# What training and new releases use.
RENDERER_ID = "profile-text-1"
BRIEF_RENDERER_ID = "profile-brief-1"

# The most the encoder could read (256 word pieces) is far below this; it bounds what is hashed, stored and shown.
MAX_TEXT_CHARS = 4000
_MAX_SUMMARY_CHARS = 2400
_MAX_DESCRIPTION_CHARS = 300
_MAX_SKILLS = 20
_MAX_PAST_POSITIONS = 4

MAX_BRIEF_CHARS = 400
_MAX_BRIEF_SKILLS = 10


def render(profile: Profile) -> str:
    """The text of `profile-text-1`: what says most about the work first, because encoders read a bounded length.

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
        _listed("Before", (_titled(p) for p in past[:_MAX_PAST_POSITIONS])),
        *(_education(e) for e in profile.education[:2]),
        profile.industry,
        _place(profile),
    ]
    return _text(parts, MAX_TEXT_CHARS)


def render_brief(profile: Profile) -> str:
    """The text of `profile-brief-1`: headline, present job without its description, skills, place.

    A short text embeds in a fraction of the time; what it costs in quality has to be measured for each release.

    Returns:
        One line of at most `MAX_BRIEF_CHARS` characters; never empty ("Profile." when nothing is known).
    """
    present, _past = _split_career(profile.positions)
    parts = [
        profile.headline,
        *(_titled(p) for p in present[:1]),
        _listed("Skills", profile.skills[:_MAX_BRIEF_SKILLS]),
        _place(profile),
    ]
    return _text(parts, MAX_BRIEF_CHARS)


RENDERERS: Mapping[str, Renderer] = MappingProxyType({RENDERER_ID: render, BRIEF_RENDERER_ID: render_brief})


def renderer(renderer_id: str) -> Renderer:
    """The renderer of an id, as a release's manifest names it.

    Raises:
        ReleaseError: this kith has none of that id.
    """
    found = RENDERERS.get(renderer_id)
    if found is None:
        raise ReleaseError(
            f"There is no renderer {renderer_id!r}; this kith has {', '.join(RENDERERS)}.",
            "Export the release for one of these, or run the kith that it was made for.",
        )
    return found


def _text(parts: Iterable[str | None], limit: int) -> str:
    text = " ".join([_sentence(line) for part in parts if part and (line := _line(part))])
    return _cut(text, limit) or "Profile."


def _split_career(positions: list[Position]) -> tuple[list[Position], list[Position]]:
    present = [p for p in positions if p.end is None][:2] or positions[:1]
    return present, [p for p in positions if p not in present]


def _position(position: Position) -> str:
    where = f" at {position.company}" if position.company else ""
    what = f": {_cut(position.description, _MAX_DESCRIPTION_CHARS)}" if position.description else ""
    return f"{position.title}{where}{what}"


def _titled(position: Position) -> str:
    return f"{position.title} at {position.company}" if position.company else position.title


def _education(education: Education) -> str:
    degree = " ".join(x for x in (education.degree, education.field) if x)
    return f"{degree}, {education.school}" if degree else education.school


def _place(profile: Profile) -> str:
    return profile.location or profile.country or ""


def _listed(label: str, items: Iterable[str]) -> str:
    # dict keeps the first of each: duplicated skills are common and say nothing more.
    unique = dict.fromkeys(filter(None, map(_line, items)))
    return f"{label}: {', '.join(unique)}" if unique else ""


def _line(text: str) -> str:
    """Every run of white space is one blank, and none is left at the ends."""
    # A blank is the one white space that can be printed. Taking every text into words was a quarter of rendering.
    if text.isprintable() and "  " not in text:
        return text.strip()
    return " ".join(text.split())


def _sentence(line: str) -> str:
    return line if line.endswith((".", "!", "?", "…", "。")) else f"{line}."


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return text[:limit].rsplit(" ", 1)[0]
