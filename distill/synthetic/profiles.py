"""Whole synthetic profiles, one stream of choices for each, so that a profile does not depend on how many are made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from distill.synthetic.career import Person, draw_education, draw_level, draw_positions, draw_years
from distill.synthetic.dirt import KINDS, soil
from distill.synthetic.draws import Draw
from distill.synthetic.writing import STYLES, Slots, draw_headline, draw_skills, estimated_tokens, write_summary
from distill.taxonomy import LANGUAGES, Occupation, Place, Taxonomy, load_taxonomy
from schemas.records import Profile
from workers.render import render

MEDIAN_TOKENS = 110
SIGMA = 0.4
DIRTY_SHARE = 0.03
LOCAL_LANGUAGE_SHARE = 0.2

_ENGLISH_PLACE_SHARE = 0.7
_HOME_ORIGIN = 0.8
_DESCRIBED = 0.25
_MIN_TOKENS_FOR_EDUCATION = 75
_TOKENS_PER_SKILL = 32
_TOKENS_PER_POSITION = 48


@dataclass(frozen=True, slots=True)
class SyntheticProfile:
    """A profile and what it was made from.

    Attributes:
        language: that it is written in, ISO 639-1.
        style: one of `writing.STYLES`.
        dirt: what is odd about it, one of `dirt.KINDS`; None for a clean one.
    """

    profile_id: str
    profile: Profile
    occupation_id: str
    language: str
    style: str
    dirt: str | None


def synthetic_profiles(count: int, seed: int) -> Iterator[SyntheticProfile]:
    """The first `count` profiles of a seed, ids `person-0000000` and on.

    Text lengths as rendered are about lognormal, median 110 word pieces, sigma 0.4; a fifth is in another language
    than English; three in a hundred are dirty, and valid nevertheless.
    """
    taxonomy = load_taxonomy()
    for index in range(count):
        yield draw_profile(taxonomy, Draw(f"profile:{seed}:{index}"), f"person-{index:07d}")


def draw_profile(
    taxonomy: Taxonomy, draw: Draw, profile_id: str, occupation: Occupation | None = None
) -> SyntheticProfile:
    """One profile from a stream of choices of its own; of any occupation when none is given."""
    language = draw.pick(LANGUAGES[1:]) if draw.chance(LOCAL_LANGUAGE_SHARE) else "en"
    occupation = occupation or draw.pick(taxonomy.occupations)
    place = _draw_place(draw, taxonomy, language)
    level = draw_level(draw, occupation)
    person = Person(taxonomy, occupation, place, language, level, draw_years(draw, level))
    style = draw.weighted(STYLES)
    profile = _write(draw, person, style, draw.lognormal(MEDIAN_TOKENS, SIGMA))
    dirt = draw.pick(KINDS) if draw.chance(DIRTY_SHARE) else None
    if dirt:
        profile = soil(draw, person, profile, dirt)
    return SyntheticProfile(profile_id, profile, occupation.id, language, style, dirt)


def _draw_place(draw: Draw, taxonomy: Taxonomy, language: str) -> Place:
    if language == "en" and not draw.chance(_ENGLISH_PLACE_SHARE):
        return draw.pick(taxonomy.places)
    return draw.pick([place for place in taxonomy.places if place.language == language])


def _write(draw: Draw, person: Person, style: str, tokens: float) -> Profile:
    she = draw.chance(0.5)
    first, name = _draw_name(draw, person, she=she)
    positions = draw_positions(draw, person, most=int(tokens / _TOKENS_PER_POSITION) + 1)
    slots = Slots(draw, person, first, positions, she=she)
    if person.language == "en" and tokens > _MIN_TOKENS_FOR_EDUCATION and draw.chance(_DESCRIBED):
        positions[0] = replace(positions[0], description=slots["Doing"])
    bare = Profile(
        name=name,
        headline=draw_headline(draw, person, slots),
        location=person.place.location,
        country=person.place.country,
        industry=person.occupation.industry,
        seniority=person.level,
        skills=draw_skills(draw, person, min(2 + int(tokens / _TOKENS_PER_SKILL * draw.pick((0.7, 1.0, 1.4))), 12)),
        languages=_draw_languages(draw, person),
        positions=positions,
        education=[draw_education(draw, person)] if tokens > _MIN_TOKENS_FOR_EDUCATION else [],
    )
    room = tokens - estimated_tokens(render(bare), person.language)
    return replace(bare, summary=write_summary(draw, person, slots, style, room) or None)


def _draw_name(draw: Draw, person: Person, *, she: bool) -> tuple[str, str]:
    """A given name and the full name, mostly of an origin that is at home in the place."""
    names = person.taxonomy.names
    origins = [origin for origin in names if origin != "right_to_left"]
    origin = draw.pick(person.place.origins) if draw.chance(_HOME_ORIGIN) else draw.pick(origins)
    first = draw.pick(names[origin].she if she else names[origin].he)
    family = draw.pick(names[origin].family)
    if origin in ("spanish", "portuguese") and draw.chance(0.4):
        family = f"{family} {draw.pick(names[origin].family)}"
    return first, f"{first} {family}"


def _draw_languages(draw: Draw, person: Person) -> list[str]:
    spoken = dict.fromkeys((person.language, person.place.language))
    if draw.chance(0.6):
        spoken["en"] = None
    spoken.update(dict.fromkeys(draw.sample(LANGUAGES, draw.pick((0, 0, 0, 1, 2)))))
    return list(spoken)
