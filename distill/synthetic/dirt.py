"""What makes a profile dirty: odd, incomplete or overlong, and valid nevertheless (no NUL, no lone surrogate)."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from distill.synthetic.career import NOW, Person, draw_company
from distill.synthetic.draws import Draw
from distill.synthetic.grammar import capital, gerund
from schemas.records import Profile

LONG_SUMMARY_WORDS = 2000

_TEXTS = ("headline", "summary", "location", "country", "industry", "seniority")
_LISTS = ("skills", "languages", "positions", "education")
_COMBINING = ("\u0301", "\u0308", "\u0327", "\u0303")
_INVISIBLE = ("\u200b", "\u200d", "\ufeff", "\u2060")
_FULLWIDTH_OFFSET = 0xFEE0

Soil = Callable[[Draw, Person, Profile], Profile]


def soil(draw: Draw, person: Person, profile: Profile, kind: str) -> Profile:
    """The profile made dirty in one of the ways of `KINDS`."""
    return _SOILS[kind](draw, person, profile)


def _missing(draw: Draw, _person: Person, profile: Profile) -> Profile:
    empty: dict[str, Any] = {**dict.fromkeys(_TEXTS), **{key: [] for key in _LISTS}}
    gone = draw.sample(tuple(empty), draw.between(3, 8))
    return replace(profile, **{key: empty[key] for key in gone})


def _accents(draw: Draw, _person: Person, profile: Profile) -> Profile:
    at = draw.between(1, len(profile.name))
    name = unicodedata.normalize("NFD", profile.name[:at] + draw.pick(_COMBINING) + profile.name[at:])
    return replace(
        profile, name=name, summary=_changed(profile.summary, lambda text: unicodedata.normalize("NFD", text))
    )


def _emoji(draw: Draw, person: Person, profile: Profile) -> Profile:
    marks = person.taxonomy.dirt["emoji"]
    return replace(
        profile,
        name=f"{profile.name} {draw.pick(marks)}",
        headline=f"{draw.pick(marks)} {profile.headline} {draw.pick(marks)}{draw.pick(marks)}",
        summary=_changed(profile.summary, lambda text: text.replace(". ", f". {draw.pick(marks)} ")),
    )


def _right_to_left(draw: Draw, person: Person, profile: Profile) -> Profile:
    names = person.taxonomy.names["right_to_left"]
    return replace(profile, name=f"{draw.pick((*names.she, *names.he))} {draw.pick(names.family)}")


def _fullwidth(_draw: Draw, _person: Person, profile: Profile) -> Profile:
    return replace(profile, name=_widened(profile.name), headline=_changed(profile.headline, _widened))


def _zero_width(draw: Draw, _person: Person, profile: Profile) -> Profile:
    def haunted(text: str) -> str:
        return "".join(f"{c}{draw.pick(_INVISIBLE)}" if draw.chance(0.04) else c for c in text)

    return replace(profile, name=profile.name.replace(" ", " \u200b"), summary=_changed(profile.summary, haunted))


def _very_long(draw: Draw, person: Person, profile: Profile) -> Profile:
    """A biography that goes on: the occupation's tasks, told again for other years, towns and employers."""
    occupation, taxonomy = person.occupation, person.taxonomy
    sentences = [profile.summary or ""]
    words = 0
    while words <= LONG_SUMMARY_WORDS:
        task = draw.pick(occupation.tasks)
        place = draw.pick(taxonomy.places)
        slots = {
            "year": str(NOW[0] - draw.between(1, 40)),
            "company": draw_company(draw, person, place),
            "city": place.city,
            "task": task,
            "doing": gerund(task),
            "Doing": capital(gerund(task)),
            "skill": draw.pick(occupation.skills),
            "tool": draw.pick(occupation.tools),
        }
        sentences.append(draw.pick(taxonomy.dirt["long_joins"]).format_map(slots))
        words += len(sentences[-1].split())
    return replace(profile, summary=" ".join(sentences).strip())


def _all_capitals(_draw: Draw, _person: Person, profile: Profile) -> Profile:
    return replace(
        profile,
        name=profile.name.upper(),
        headline=_changed(profile.headline, str.upper),
        summary=_changed(profile.summary, str.upper),
        skills=[skill.upper() for skill in profile.skills],
    )


def _html(draw: Draw, person: Person, profile: Profile) -> Profile:
    pattern = draw.pick(person.taxonomy.dirt["html"])
    return replace(profile, summary=pattern.format(text=profile.summary or profile.headline or profile.name))


def _doubled_skills(draw: Draw, _person: Person, profile: Profile) -> Profile:
    skills = [*profile.skills, *profile.skills, *(f" {skill.upper()} " for skill in profile.skills)]
    return replace(profile, skills=draw.shuffled(skills))


def _changed(text: str | None, change: Callable[[str], str]) -> str | None:
    return text if text is None else change(text)


def _widened(text: str) -> str:
    return "".join(chr(ord(c) + _FULLWIDTH_OFFSET) if "!" <= c <= "~" else c for c in text)


_SOILS: dict[str, Soil] = {
    "missing fields": _missing,
    "combining accents": _accents,
    "emoji": _emoji,
    "right to left": _right_to_left,
    "fullwidth": _fullwidth,
    "zero width": _zero_width,
    "very long": _very_long,
    "all capitals": _all_capitals,
    "html": _html,
    "doubled skills": _doubled_skills,
}
KINDS = tuple(_SOILS)
