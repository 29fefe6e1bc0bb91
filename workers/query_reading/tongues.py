"""Which languages somebody is asked to speak: "speaks Polish", "fluent in Dutch or German", "Polish-speaking". Pure.

The name of a language alone says nothing: it is also a nationality, and "polish" a verb.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from schemas.search_records import FilterOperator
from workers.contract import Filter
from workers.query_reading.lexicon import tongues
from workers.query_reading.words import RELATIVES, Said, Word, back_over, is_negated, lower_at, word_set

_SPEAKS = word_set(
    """
    speaks speaking spricht parle parlant habla hable parla parli fala fale spreekt mówi mówiący mówiąca
    """
)
# Many speak a language whom nobody looks for: only after "who", or after "people".
_SPEAK = frozenset({"speak", "sprechen", "parlent", "hablan", "parlano", "falam", "spreken", "mówią"})
# After the language, as German and Dutch have it.
_SPEAKS_LAST = frozenset({"spricht", "sprechen", "spreekt", "spreken"})
_HOW = frozenset({"native", "fluent"})
_SPEAK_AFTER = word_set(
    """
    who that which must can should people also die qui que che którzy leute personen gente gens persone pessoas
    mensen ludzie
    """
)
_FLUENT = frozenset({"fluent", "fluently", "proficient"})
_BETWEEN = word_set(
    """
    fluent fluently good excellent native also both well perfect some conversational fließend fliessend gut sehr
    auch perfekt couramment bien aussi con fluidez también bene anche bem também vloeiend goed ook biegle dobrze
    też po in l le el il o en
    """
)
_ANY = word_set(
    """
    or oder ou o of lub albo /
    """
)
_ALL = word_set(
    """
    and und et y e en i & + as
    """
)
_LEARNT = word_set(
    """
    test tests exam exams course courses club lesson lessons class classes practice country countries world market
    markets coach teacher teachers tutor tutors skills clients customers patients children kids pupils students
    audience audiences tourists guests users voters countries' part media press literature community
    """
)
_COMPOUND = re.compile(r"(.{3,})(?:sprachig|talig)(?:e|er|en|es|em)?")


@dataclass(frozen=True, slots=True)
class _Tongues:
    codes: tuple[str, ...]
    every: bool
    end: int

    @property
    def filters(self) -> tuple[Filter, ...]:
        operator = FilterOperator.CONTAINS_ALL if self.every else FilterOperator.CONTAINS_ANY
        return (Filter("languages", operator, self.codes),)


def said_tongues(words: Sequence[Word]) -> Iterator[Said]:
    """Every language that is asked for, in order."""
    place = 0
    while place < len(words):
        found = None if is_negated(words, place) else _after_verb(words, place) or _before_speaking(words, place)
        if found is None:
            place += 1
            continue
        start = back_over(words, back_over(words, place, _HOW), RELATIVES)
        yield Said(words[start].start, words[found.end - 1].end, found.filters)
        place = found.end


def _after_verb(words: Sequence[Word], place: int) -> _Tongues | None:
    lower, before = words[place].lower, lower_at(words, place - 1)
    speaks = (lower in _SPEAKS and before not in {"public", "to"}) or (lower in _SPEAK and before in _SPEAK_AFTER)
    if not (speaks or (lower in _FLUENT and lower_at(words, place + 1) == "in")):
        return None
    at = place + 1
    while tongues().at(words, at) is None and lower_at(words, at) in _BETWEEN:
        at += 1
    found = _tongues(words, at)
    return None if found is None or lower_at(words, found.end) in _LEARNT else found


def _tongues(words: Sequence[Word], place: int) -> _Tongues | None:
    """Languages with "and" or "or" between them; one "or" makes any of them enough."""
    first = tongues().at(words, place)
    if first is None:
        return None
    codes: tuple[str, ...] = (first.thing,)
    every, end = True, first.end
    while True:
        at = end + (lower_at(words, end) == ",")
        joiner = lower_at(words, at)
        at += joiner in _ANY | _ALL
        more = tongues().at(words, at + (lower_at(words, at) in {"po", "also"})) if at > end else None
        if more is None:
            return _Tongues(codes, every, end)
        codes, every, end = (*codes, more.thing), every and joiner not in _ANY, more.end


def _before_speaking(words: Sequence[Word], place: int) -> _Tongues | None:
    """As in "Polish-speaking", "native Polish speaker", "polnischsprachig", "der Polnisch spricht"."""
    compound = _COMPOUND.fullmatch(words[place].key)
    if compound is not None:
        code = tongues().get(compound.group(1))
        return None if code is None else _Tongues((code,), True, place + 1)
    found = tongues().at(words, place)
    if found is None:
        return None
    last = _tongues(words, place)
    if last is not None and lower_at(words, last.end) in _SPEAKS_LAST:
        return _Tongues(last.codes, last.every, last.end + 1)
    end = found.end + (lower_at(words, found.end) == "-")
    is_said = lower_at(words, end) in {"speaking", "speaker", "speakers"}
    return _Tongues((found.thing,), True, end + 1) if is_said and lower_at(words, end + 1) not in _LEARNT else None
