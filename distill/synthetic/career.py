"""Invented careers: positions with rising seniority, dates and employers that match the occupation."""

from __future__ import annotations

from dataclasses import dataclass

from distill.synthetic.draws import Draw
from distill.taxonomy import LEVELS, Occupation, Place, Taxonomy
from schemas.records import Education, Position

# The month every profile is written in, so that a profile does not change with the calendar.
NOW = (2026, 6)

_MONTHS = 12
_LEVEL_WEIGHTS = {"intern": 4, "junior": 14, "mid": 34, "senior": 27, "lead": 14, "director": 5, "executive": 2}
_YEARS = {
    "intern": (1, 1),
    "junior": (1, 4),
    "mid": (4, 11),
    "senior": (8, 20),
    "lead": (11, 26),
    "director": (15, 32),
    "executive": (18, 36),
}
_POSITIONS = {
    "intern": (2, 2),
    "junior": (2, 3),
    "mid": (2, 4),
    "senior": (2, 5),
    "lead": (3, 5),
    "director": (3, 5),
    "executive": (4, 5),
}
_MOVED_TOWN = 0.3
_LOCAL_EMPLOYER = 0.7
_OTHER_TITLE = 0.3
_YEARS_OF_STUDY = {"university": 4, "vocational": 3, "academy": 4}


@dataclass(frozen=True, slots=True)
class Person:
    """What all parts of a profile share. `language`: that the profile is written in, ISO 639-1."""

    taxonomy: Taxonomy
    occupation: Occupation
    place: Place
    language: str
    level: str
    years: int


def draw_level(draw: Draw, occupation: Occupation) -> str:
    """A level of seniority that the occupation has."""
    return draw.weighted({level: _LEVEL_WEIGHTS[level] for level in occupation.titles})


def draw_years(draw: Draw, level: str) -> int:
    """Years in the occupation that fit the level."""
    return draw.between(*_YEARS[level])


def title_at(draw: Draw, person: Person, level: str) -> str:
    """A title of this level, in the language of the profile."""
    occupation = person.occupation
    if person.language == "en":
        if level == "mid" and occupation.also and draw.chance(_OTHER_TITLE):
            return draw.pick(occupation.also)
        return occupation.titles[level]
    pattern: str = person.taxonomy.phrases[person.language]["level"][level]
    return pattern.format(t=occupation.local[person.language].title)


def draw_company(draw: Draw, person: Person, place: Place) -> str:
    """The name of an employer of a kind that employs the occupation, in the language of the place or English."""
    taxonomy = person.taxonomy
    kinds = taxonomy.employers[draw.pick(person.occupation.employers)]
    local = kinds.get(place.language) if draw.chance(_LOCAL_EMPLOYER) else None
    families = taxonomy.names[draw.pick(place.origins)].family
    return draw.pick(local or kinds["en"]).format(
        city=place.city, stem=draw.pick(taxonomy.stems), family=draw.pick(families), family2=draw.pick(families)
    )


def draw_positions(draw: Draw, person: Person, most: int) -> list[Position]:
    """The career, newest first: two to `most` positions, seniority never rising towards the past."""
    least, upper = _POSITIONS[person.level]
    count = min(draw.between(least, upper), max(most, 2))
    levels = _levels_back(draw, person, count)
    starts = _starts_back(draw, person.years, count)
    positions: list[Position] = []
    end: str | None = None
    for level, start in zip(levels, starts, strict=True):
        place = _place_of(draw, person, newest=not positions)
        title = title_at(draw, person, level)
        company = draw_company(draw, person, place)
        positions.append(Position(title, company, person.occupation.industry, place.location, start, end))
        end = start
    return positions


def draw_education(draw: Draw, person: Person) -> Education:
    """Where the occupation was learnt, ended before the career began."""
    occupation, place, taxonomy = person.occupation, person.place, person.taxonomy
    schools = taxonomy.schools.get(place.language, taxonomy.schools["en"])
    english = person.language == "en"
    if english and draw.chance(0.25):
        degree, field = draw.pick(occupation.qualifications), None
    else:
        degree = draw.pick(taxonomy.degrees[person.language][occupation.study])
        field = occupation.field if english else None
    end = NOW[0] - person.years - draw.below(2)
    return Education(
        school=draw.pick(schools[occupation.study]).format(city=place.city, stem=draw.pick(taxonomy.stems)),
        degree=degree,
        field=field,
        start=str(end - _YEARS_OF_STUDY[occupation.study]),
        end=str(end),
    )


def month_before_now(months: int) -> str:
    """The month so many months before the one that profiles are written in, `YYYY-MM`."""
    total = NOW[0] * _MONTHS + NOW[1] - 1 - months
    return f"{total // _MONTHS:04d}-{total % _MONTHS + 1:02d}"


def next_level(occupation: Occupation, level: str) -> str:
    """The next level the occupation has, or the same one at the top."""
    higher = [x for x in LEVELS[LEVELS.index(level) + 1 :] if x in occupation.titles]
    return higher[0] if higher else level


def _levels_back(draw: Draw, person: Person, count: int) -> list[str]:
    known = [level for level in LEVELS if level in person.occupation.titles]
    at = known.index(person.level)
    levels = [person.level]
    for _ in range(count - 1):
        at = max(at - draw.pick((0, 1, 1, 1, 2)), 0)
        levels.append(known[at])
    return levels


def _starts_back(draw: Draw, years: int, count: int) -> list[str]:
    """First months of the positions, newest first; each lasts at least two months."""
    months = max(years * _MONTHS - draw.below(_MONTHS), 3 * count)
    shares = [1 + draw.below(100) for _ in range(count)]
    total, passed, starts = sum(shares), 0, []
    for i, _ in enumerate(shares):
        passed = max(sum(shares[: i + 1]) * months // total, passed + 2)
        starts.append(month_before_now(passed))
    return starts


def _place_of(draw: Draw, person: Person, *, newest: bool) -> Place:
    if newest or not draw.chance(_MOVED_TOWN):
        return person.place
    return draw.pick([place for place in person.taxonomy.places if place.country == person.place.country])
