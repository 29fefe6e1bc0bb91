"""What places and languages are called in eight languages, from the tables beside this module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Generic, TypeVar

from workers.query_reading.words import Word, words_of

_ThingT = TypeVar("_ThingT")

# In a table: before a name that counts only as it is written there.
_EXACT = "*"


@dataclass(frozen=True, slots=True)
class Town:
    """A town, or several of one name.

    Attributes:
        spellings: what profiles may call it.
        is_word: also a common word where it is written small.
        is_name: also what people are called.
    """

    spellings: tuple[str, ...]
    is_word: bool = False
    is_name: bool = False


@dataclass(frozen=True, slots=True)
class Found(Generic[_ThingT]):
    """What a name says, and the place after it."""

    thing: _ThingT
    end: int


class Names(Generic[_ThingT]):
    """Things by what they are called; case and accents do not count, but for names that are marked."""

    def __init__(self) -> None:
        self._things: dict[tuple[str, ...], _ThingT] = {}
        self._exact: dict[tuple[str, ...], str] = {}
        self._longest = 0

    def add(self, name: str, thing: _ThingT) -> None:
        """Let a thing be called so as well."""
        plain = name.removeprefix(_EXACT)
        key = tuple(word.key for word in words_of(plain))
        self._things[key] = thing
        self._longest = max(self._longest, len(key))
        if name != plain:
            self._exact[key] = plain

    def get(self, name: str) -> _ThingT | None:
        """What is called so."""
        return self._things.get(tuple(word.key for word in words_of(name)))

    def every(self) -> list[_ThingT]:
        """All that is called something."""
        return list(self._things.values())

    def at(self, words: Sequence[Word], place: int) -> Found[_ThingT] | None:
        """What the words from a place on name: the longest name counts."""
        keys = tuple(word.key for word in words[place : place + self._longest])
        for length in range(len(keys), 0, -1):
            thing = self._things.get(keys[:length])
            if thing is not None and self._is_written(words[place : place + length], keys[:length]):
                return Found(thing, place + length)
        return None

    def _is_written(self, words: Sequence[Word], key: tuple[str, ...]) -> bool:
        exact = self._exact.get(key)
        return exact is None or "".join(word.text for word in words) == exact


@cache
def towns() -> Names[Town]:
    """Towns by name."""
    names: Names[Town] = Names()
    for _country, stored, said, flag in _rows("towns.tsv", 4):
        spellings = tuple(dict.fromkeys(stored.split("/")))
        for name in (*spellings, *filter(None, said.split("/"))):
            held = names.get(name)
            every = spellings if held is None else tuple(dict.fromkeys((*held.spellings, *spellings)))
            names.add(name, Town(every, flag == "case", flag == "name"))
    return names


@cache
def countries() -> Names[str]:
    """ISO 3166-1 alpha-2 codes by the names of countries."""
    return _codes("countries.tsv")


@cache
def tongues() -> Names[str]:
    """ISO 639-1 codes by the names of languages."""
    return _codes("tongues.tsv")


def _codes(table: str) -> Names[str]:
    names: Names[str] = Names()
    for code, called in _rows(table, 2):
        for name in called.split("/"):
            names.add(name, code)
    return names


def _rows(table: str, columns: int) -> list[list[str]]:
    text = files(__package__ or "").joinpath(table).read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines()]
    return [row + [""] * (columns - len(row)) for row in rows]
