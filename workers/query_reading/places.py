"""Where somebody is asked to be: "in Berlin or Hamburg", "from Germany", ", Leeds" at the end, "London-based". Pure.

A preposition has to say it. What could be a topic ("invest in China"), a route ("from Rome to Paris"), a denial ("not
in Berlin"), a thing's origin ("wine from France") or a person's name is not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from schemas.search_records import FilterOperator
from workers.contract import Filter, OwnOperator
from workers.query_reading.lexicon import Found, Town, countries, towns
from workers.query_reading.people import is_person
from workers.query_reading.words import (
    RELATIVES,
    Said,
    Word,
    are_joined,
    back_over,
    ends_at,
    is_negated,
    lower_at,
    word_at,
    word_set,
)

_IN = word_set(
    """
    in en à em w we au aux
    """
)
# These are too much else in other languages to stand alone: a word of their own language has to be there.
_IN_ITALIAN = frozenset({"a", "ad"})
_IN_PORTUGUESE = frozenset({"no", "na", "nos", "nas"})
_ITALIAN = word_set(
    """
    cerco cercasi di chi che esperto esperta qualcuno serve della dello degli nel nella bravo brava il uno
    """
)
_PORTUGUESE = word_set(
    """
    procuro preciso um uma quem alguém com não precisa
    """
)
_FROM = frozenset({"from", "aus", "uit"})
_ROUTE = frozenset({"to", "nach", "naar", "into", "through", "via"})
_ARTICLES = word_set(
    """
    the der den dem die het de los las les la le el i gli os as
    """
)
_JOINERS = word_set(
    """
    or and oder und ou et o e y u of en lub i albo & /
    """
)
_LIVING = word_set(
    """
    based located living residing resident situated ansässig wohnhaft basé basée établi établie radicado radicada
    ubicado ubicada residente gevestigd woonachtig mieszkający mieszkająca
    """
)
# What stands before "in" where the place is a topic, or was one: by its beginning, and as a whole.
_TOPICS = (
    "invest",
    "interess",
    "interest",
    "believ",
    "specialis",
    "specializ",
    "spezial",
    "especiali",
    "spécialis",
    "expertise",
    "experienc",
    "erfahr",
    "graduat",
    "educat",
    "studi",
    "histor",
    "geschicht",
    "politic",
    "regulat",
    "election",
    "refugee",
    "conflict",
    "custom",
    "tradit",
    "holiday",
    "vacation",
    "geboren",
    "travel",
)
_TOPIC_WORDS = word_set(
    """
    expert experts experte expertin versed fluent made born trained lived grew war wars degree written wrote
    married law laws tax taxes rules market markets trip trips journey recht steuern krieg proficient né née
    nacido nacida nato nata up used worked bought interested am i'm i ich ik bin estoy suis sono estou ben będę
    """
)
# A country after these is where a thing is, or where it is to go.
_THINGS = word_set(
    """
    property properties house houses home flat apartment villa land company companies firm firms office branch client
    clients customer customers supplier suppliers guest guests sell selling export exporting expand expanding product
    products produkt produkte verkaufen producto productos vender entrar produit produits vendre prodotto prodotti
    vendere portare produto produtos product producten verkopen
    """
)
_OUT_OF = frozenset({"de", "da", "du", "desde", "van", "von", "z"})
_STATES = word_set(
    """
    alabama alaska arizona arkansas california carolina colorado connecticut dakota delaware florida georgia
    hampshire hawaii idaho illinois indiana iowa jersey kansas kentucky louisiana maine maryland massachusetts
    mexico michigan minnesota mississippi missouri montana nebraska nevada ohio oklahoma ontario oregon
    pennsylvania tennessee texas utah vermont virginia washington wisconsin wyoming north south west new
    """
)


@dataclass(frozen=True, slots=True)
class _Place:
    """Towns, or countries; both where a town was said to be in a country. `end`: the place after it."""

    towns: tuple[Town, ...]
    countries: tuple[str, ...]
    end: int

    @property
    def is_doubtful(self) -> bool:
        return any(town.is_word or town.is_name for town in self.towns)

    @property
    def filters(self) -> tuple[Filter, ...]:
        found = []
        if self.towns:
            spellings = tuple(dict.fromkeys(name for town in self.towns for name in town.spellings))
            found.append(Filter("location", OwnOperator.STARTS_WITH, spellings))
        if self.countries:
            found.append(Filter("country", FilterOperator.IN, self.countries))
        return tuple(found)


def said_places(words: Sequence[Word]) -> Iterator[Said]:
    """Every place that is asked for, in order."""
    place = 0
    while place < len(words):
        found = _after_preposition(words, place) or _before_based(words, place) or _at_the_end(words, place)
        if found is None:
            place += 1
            continue
        start, held = found
        yield Said(words[start].start, words[held.end - 1].end, held.filters)
        place = held.end


def _after_preposition(words: Sequence[Word], place: int) -> tuple[int, _Place] | None:
    lower = words[place].lower
    is_from = lower in _FROM
    if not (is_from or _is_in(words, lower)) or is_negated(words, place):
        return None
    at = place + 1
    held = _places(words, at + (lower_at(words, at) in _ARTICLES)) or _places(words, at)
    if held is None or not _stands_alone(words, held):
        return None
    if is_from and not _is_origin(words, place, held):
        return None
    if _single(words, place - 1) is not None and lower_at(words, place - 2) in _OUT_OF:
        return None
    if not is_from and _is_topic(word_at(words, place - 1), held):
        return None
    return _with_living(words, place), held


def _before_based(words: Sequence[Word], place: int) -> tuple[int, _Place] | None:
    """As in "Berlin-based"."""
    held = _single(words, place)
    if held is None or is_negated(words, place) or (held.is_doubtful and not words[place].is_capital):
        return None
    end = held.end + (lower_at(words, held.end) == "-")
    if lower_at(words, end) != "based" or lower_at(words, end + 1) in {"on", "in", "at"}:
        return None
    return place, _Place(held.towns, held.countries, end + 1)


def _at_the_end(words: Sequence[Word], place: int) -> tuple[int, _Place] | None:
    """As in "roofer, Leeds": the last words of a question that was more than a list of places."""
    if words[place].text != "," or place < 1 or _single(words, place - 1) is not None:
        return None
    held = _single(words, place + 1)
    if held is None or held.is_doubtful or not ends_at(words, held.end) or not words[place + 1].is_capital:
        return None
    return place, held


def _is_in(words: Sequence[Word], lower: str) -> bool:
    if lower in _IN:
        return True
    if lower in _IN_ITALIAN:
        return any(word.lower in _ITALIAN for word in words)
    return lower in _IN_PORTUGUESE and any(word.lower in _PORTUGUESE for word in words)


def _is_topic(before: Word | None, held: _Place) -> bool:
    """Whether the place is what somebody knows: a country may be ("expert in China"), a town after a person is not."""
    if before is None or (held.towns and is_person(before)):
        return False
    is_thing = bool(held.countries) and not held.towns and before.lower in _THINGS
    return is_thing or before.lower in _TOPIC_WORDS or before.lower.startswith(_TOPICS)


def _is_origin(words: Sequence[Word], place: int, held: _Place) -> bool:
    """Whether a person is said to be from there, and goes nowhere."""
    before = word_at(words, _with_living(words, place) - 1)
    return is_person(before) and not held.is_doubtful and lower_at(words, held.end) not in _ROUTE


def _stands_alone(words: Sequence[Word], held: _Place) -> bool:
    """Whether the name ends where it was taken to end, and is not part of a longer one."""
    last, after = words[held.end - 1], word_at(words, held.end)
    if after is None:
        return True
    if after.text == "-" and are_joined(last, after):
        return False
    behind = word_at(words, held.end + 1) if after.text == "," else after
    if behind is not None and behind.is_capital and (behind.lower in _STATES or _is_short_for_a_state(behind)):
        return False
    return not (held.is_doubtful and after.is_word and after.is_capital)


def _is_short_for_a_state(word: Word) -> bool:
    return len(word.text) == 2 and word.text.isupper()  # noqa: PLR2004 (TX, ON)


def _with_living(words: Sequence[Word], place: int) -> int:
    living = back_over(words, place, _LIVING)
    return back_over(words, living, RELATIVES) if living < place else place


def _places(words: Sequence[Word], place: int) -> _Place | None:
    """A place, or several of one kind with "or" between them; None for a list of towns and countries."""
    held = _single(words, place)
    if held is None or (held.is_doubtful and not words[place].is_capital):
        return None
    if held.towns and (country := _country_of(words, held.end)) is not None:
        return _Place(held.towns, (country.thing,), country.end)
    while lower_at(words, held.end) in _JOINERS | {","}:
        at = held.end + 1 + (lower_at(words, held.end + 1) in _JOINERS)
        more = _single(words, at + (lower_at(words, at) in _IN | _ARTICLES)) or _single(words, at)
        if more is None:
            break
        if bool(more.towns) != bool(held.towns):
            return None
        held = _Place(held.towns + more.towns, held.countries + more.countries, more.end)
    return held


def _country_of(words: Sequence[Word], end: int) -> Found[str] | None:
    """As in ", Germany" after a town."""
    return countries().at(words, end + (lower_at(words, end) == ","))


def _single(words: Sequence[Word], place: int) -> _Place | None:
    town, country = towns().at(words, place), countries().at(words, place)
    if town is not None and (country is None or town.end >= country.end):
        return _Place((town.thing,), (), town.end)
    return None if country is None else _Place((), (country.thing,), country.end)
