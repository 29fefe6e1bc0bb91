"""Questions and the profiles that answer them, drawn for contrastive training."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from distill.synthetic.draws import Draw
from distill.synthetic.grammar import gerund
from distill.synthetic.profiles import SyntheticProfile, draw_profile
from distill.taxonomy import LANGUAGES, Occupation
from distill.training.material import Material
from workers.render import render

ENGLISH_SHARE = 0.4
_KINDS = {"need": 0.4, "title": 0.17, "skill": 0.2, "task": 0.08, "place": 0.08, "level": 0.07}
_SHORT_PROFILE = 0.35


@dataclass(frozen=True, slots=True)
class Answered:
    """A question, and a profile that is a right answer.

    Attributes:
        profile_language: that the profile is written in, ISO 639-1.
        city, level: what the question asks for besides the occupation; None where it does not.
        profile_city, profile_level: what the profile has.
    """

    occupation_id: str
    language: str
    question: str
    profile: str
    profile_language: str
    city: str | None
    level: str | None
    profile_city: str | None
    profile_level: str | None

    def is_answered_by(self, other: Answered) -> bool:
        """Whether the other's profile has the occupation and meets what this question asks for."""
        same_place = self.city in (None, other.profile_city)
        same_level = self.level in (None, other.profile_level)
        return self.occupation_id == other.occupation_id and same_place and same_level

    def is_near(self, other: Answered) -> bool:
        """Whether the other's profile has the occupation, met or not: never wholly wrong unless this asks for more."""
        return self.occupation_id == other.occupation_id


def draw_answered(draw: Draw, material: Material, occupation: Occupation) -> Answered:
    """A question for this occupation, and one of its profiles."""
    made = draw_profile(material.taxonomy, draw, "trained", occupation)
    language = "en" if draw.chance(ENGLISH_SHARE) else draw.pick(LANGUAGES[1:])
    kind = draw.weighted(_KINDS)
    question = _QUESTIONS[kind](draw, material, occupation, language, made)
    city = _city(made)
    return Answered(
        occupation.id,
        language,
        question,
        draw_text(draw, made),
        made.language,
        city if kind == "place" else None,
        made.profile.seniority if kind == "level" else None,
        city,
        made.profile.seniority,
    )


def draw_text(draw: Draw, made: SyntheticProfile) -> str:
    """The profile as it is rendered, or only a part of what it says: real profiles are often short or cut."""
    text = render(made.profile)
    if not draw.chance(_SHORT_PROFILE):
        return text
    sentences = text.split(". ")
    begin = draw.below(max(1, len(sentences) - 2))
    return ". ".join(sentences[begin : begin + draw.between(2, 6)])


def titles_in(occupation: Occupation, language: str) -> Collection[str]:
    """What the occupation is called in this language."""
    if language == "en":
        return (occupation.titles["mid"], *occupation.also)
    return (occupation.local[language].title,)


def _need(draw: Draw, material: Material, occupation: Occupation, language: str, made: SyntheticProfile) -> str:
    needs = occupation.lay_needs if language == "en" else occupation.local[language].needs
    return draw.pick(needs) if needs else _skill(draw, material, occupation, language, made)


def _title(draw: Draw, material: Material, occupation: Occupation, language: str, _made: SyntheticProfile) -> str:
    pattern = draw.pick(material.taxonomy.questions[language]["title"])
    return pattern.format(x=draw.pick(tuple(titles_in(occupation, language))))


def _skill(draw: Draw, material: Material, occupation: Occupation, language: str, _made: SyntheticProfile) -> str:
    english = (*occupation.skills, *occupation.specialities, *occupation.tools, occupation.field)
    subjects = english if language == "en" else occupation.local[language].phrases
    return draw.pick(material.taxonomy.questions[language]["about"]).format(x=draw.pick(subjects))


def _task(draw: Draw, material: Material, occupation: Occupation, language: str, made: SyntheticProfile) -> str:
    if language != "en":
        return _skill(draw, material, occupation, language, made)
    task = draw.pick(occupation.tasks)
    return draw.pick((f"who can {task}?", f"someone to {task}", gerund(task), f"I need a person who can {task}"))


def _place(draw: Draw, material: Material, occupation: Occupation, language: str, made: SyntheticProfile) -> str:
    subject = draw.pick(tuple(titles_in(occupation, language)))
    city = _city(made)
    if city is None:
        return subject
    return draw.pick(material.taxonomy.questions[language]["place"]).format(x=subject, city=city)


def _level(_draw: Draw, material: Material, occupation: Occupation, language: str, made: SyntheticProfile) -> str:
    level = made.profile.seniority or "mid"
    if language == "en":
        return occupation.titles.get(level, occupation.titles["mid"])
    pattern: str = material.taxonomy.phrases[language]["level"][level]
    return pattern.format(t=occupation.local[language].title)


def _city(made: SyntheticProfile) -> str | None:
    return made.profile.location.split(",")[0] if made.profile.location else None


_QUESTIONS: dict[str, Callable[[Draw, Material, Occupation, str, SyntheticProfile], str]] = {
    "need": _need,
    "title": _title,
    "skill": _skill,
    "task": _task,
    "place": _place,
    "level": _level,
}
