"""What a person writes of herself: headline, skills and a summary of about the wanted length, in one of five styles."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from distill.synthetic.career import Person
from distill.synthetic.draws import Draw, cycle
from distill.synthetic.grammar import capital, gerund, third_person, with_article
from schemas.records import Position

STYLES = {"first": 0.34, "third": 0.26, "telegraphic": 0.2, "enthusiastic": 0.1, "hobbies": 0.1}

# Characters per word piece of the encoder's English vocabulary, measured on these profiles.
_CHARS_PER_TOKEN = {"en": 4.6, "de": 3.15, "es": 3.45, "fr": 3.45, "it": 3.25, "pt": 3.25, "nl": 3.3, "pl": 2.85}
_HOBBY_IN_OTHER_STYLES = 0.12
_MAX_PHRASES = 4  # each of the three comes once, one of them twice
_MIN_TOKENS_FOR_HOBBY = 40
_OVERSHOOT = 2.0  # a sentence that is up to twice what is left is still written
_NEEDS_TASK = re.compile(r"\{(?:[Dd]oing2?|[Tt]ask|[Dd]oes)\}")
_NEEDS_PHRASE = re.compile(r"\{phrase2?\}")


_FORMS: dict[str, Callable[[str], str]] = {"task": str, "does": third_person, "doing": gerund}


def estimated_tokens(text: str, language: str) -> float:
    """About how many word pieces the encoder reads in a text of this language."""
    return len(text) / _CHARS_PER_TOKEN[language]


class Slots(Mapping[str, str]):
    """What goes into the braces of a phrase.

    A capital first letter of a slot's name capitalises its text. Tasks, phrases, tools, skills and specialities are
    dealt from shuffled decks, so that a sentence brings something new while there is any.

    Args:
        first: given name; shown as `{first}`.
        she: whether the person is spoken of as she.
        positions: the career, newest first.
    """

    def __init__(self, draw: Draw, person: Person, first: str, positions: list[Position], *, she: bool) -> None:
        occupation, local = person.occupation, person.occupation.local.get(person.language)
        now, past = positions[0], positions[1:]
        title = now.title
        self._draw = draw
        self._texts = {
            "title": title,
            "a_title": with_article(title),
            "field": occupation.field,
            "company": now.company or "",
            "before": next((p.company for p in past if p.company and p.company != now.company), now.company) or "",
            "city": person.place.city,
            "years": str(person.years),
            "first": first,
            "she": "she" if she else "he",
            "her": "her" if she else "his",
            "qualification": draw.pick(occupation.qualifications),
            "hashtag": occupation.field.replace(" ", ""),
        }
        self._tasks = draw.shuffled(occupation.tasks)
        self._phrases = draw.shuffled(local.phrases) if local else []
        self._specialities = cycle(draw.shuffled(occupation.specialities))
        self._skills = cycle(draw.shuffled(occupation.skills))
        self._tools = cycle(draw.shuffled(occupation.tools))
        self._dealt = cycle(self._phrases) if local else iter(())

    def __getitem__(self, name: str) -> str:
        lower = name[0].lower() + name[1:]
        text = self._texts.get(lower) or self._deal(lower.rstrip("2345"))
        return capital(text) if name[0].isupper() else text

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def tasks_left(self) -> int:
        """How many tasks no sentence has told yet."""
        return len(self._tasks)

    def _deal(self, kind: str) -> str:
        if kind in ("task", "does", "doing"):
            task = self._tasks.pop()
            return _FORMS[kind](task)
        decks = {"speciality": self._specialities, "skill": self._skills, "tool": self._tools, "phrase": self._dealt}
        return next(decks[kind])


def draw_headline(draw: Draw, person: Person, slots: Slots) -> str:
    """The line under the name."""
    pattern: str = draw.pick(person.taxonomy.phrases[person.language]["headline"])
    return capital(pattern.format_map(slots))


def draw_skills(draw: Draw, person: Person, count: int) -> list[str]:
    """So many skills; in another language than English the phrases of that language come first, then tools."""
    occupation = person.occupation
    own = draw.shuffled((*occupation.skills, *occupation.tools[:3]))
    if person.language == "en":
        return own[:count]
    local = draw.shuffled(occupation.local[person.language].phrases)
    return [*local[: draw.between(1, 3)], *draw.shuffled((*occupation.tools, draw.pick(occupation.skills)))][:count]


def write_summary(draw: Draw, person: Person, slots: Slots, style: str, tokens: float) -> str:
    """A summary of about so many tokens, by whole sentences; empty when not even one fits."""
    voice = "first" if style == "hobbies" else style
    phrases = person.taxonomy.phrases[person.language]
    phrases = phrases[voice] if person.language == "en" else phrases
    hobby = style == "hobbies" or draw.chance(_HOBBY_IN_OTHER_STYLES)
    ending = [draw.pick(phrases["hobby"]).format_map(slots)] if hobby and tokens > _MIN_TOKENS_FOR_HOBBY else []
    left = tokens - sum(estimated_tokens(text, person.language) for text in ending)
    sentences: list[str] = []
    for sentence in _sentences(draw, phrases, slots):
        cost = estimated_tokens(sentence, person.language) + 0.2
        if cost > _OVERSHOOT * left:
            break
        sentences.append(sentence)
        left -= cost
        if left <= 0:
            break
    return " ".join((*sentences, *ending))


def _sentences(draw: Draw, phrases: Mapping[str, list[str]], slots: Slots) -> Iterator[str]:
    """An opening, then what the person does while there is something new to say, then a closing."""
    yield draw.pick(phrases["open"]).format_map(slots)
    closing = draw.pick(phrases["close"])
    told = 0
    for pattern in draw.shuffled(phrases["middle"]):
        if len(_NEEDS_TASK.findall(pattern)) > slots.tasks_left:
            continue
        needed = len(_NEEDS_PHRASE.findall(pattern))
        if needed and told + needed > _MAX_PHRASES:
            continue
        told += needed
        yield capital(pattern.format_map(slots))
    if closing:
        yield closing.format_map(slots)
    yield from (capital(p.format_map(slots)) for p in draw.shuffled(phrases["open"])[:2])
