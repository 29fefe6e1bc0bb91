"""A question in words, and a part of it that says a condition. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from workers.contract import Filter

# A word keeps its apostrophes, so that "Berlin's" is not "Berlin"; whatever else is no space stands alone.
_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
_UNDECOMPOSED = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ı": "i", "’": "'"})
_NEGATED_BEFORE = 3


def word_set(text: str) -> frozenset[str]:
    """The words of a table in the source."""
    return frozenset(text.split())


NEGATIONS = word_set(
    """
    not no never outside except excluding without beyond but doesn't don't nicht kein keine keinen ohne außer
    ausser außerhalb pas hors sauf sans ni sin fuera excepto salvo non fuori tranne senza não fora exceto sem niet
    geen buiten behalve zonder nie poza oprócz bez
    """
)
RELATIVES = word_set(
    """
    who that which der die qui que che wie który która
    """
)


@dataclass(frozen=True)
class Word:
    """A word or a sign of a text, and where it stands in it."""

    text: str
    start: int
    end: int

    @cached_property
    def lower(self) -> str:
        """Without case."""
        return self.text.casefold()

    @cached_property
    def key(self) -> str:
        """Without case and accents."""
        return folded(self.text)

    @property
    def is_capital(self) -> bool:
        """Whether it begins with a capital letter."""
        return self.text[0].isupper()

    @property
    def is_word(self) -> bool:
        """Whether it is more than a sign."""
        return self.text[0].isalnum()


@dataclass(frozen=True, slots=True)
class Said:
    """A part of a text, from `start` to before `end` in characters, and the conditions that it says."""

    start: int
    end: int
    filters: tuple[Filter, ...]


def words_of(text: str) -> list[Word]:
    """The words and signs of a text, in order."""
    return [Word(found.group(), found.start(), found.end()) for found in _WORD.finditer(text)]


def folded(text: str) -> str:
    """A text without case and accents: "Łódź" and "lodz" are the same."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_UNDECOMPOSED))
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def word_at(words: Sequence[Word], place: int) -> Word | None:
    """The word at a place; None before the first and after the last."""
    return words[place] if 0 <= place < len(words) else None


def lower_at(words: Sequence[Word], place: int) -> str:
    """The word at a place without case; empty where there is none."""
    word = word_at(words, place)
    return "" if word is None else word.lower


def is_negated(words: Sequence[Word], place: int) -> bool:
    """Whether one of the words shortly before a place takes back what is said there."""
    for before in range(place - 1, max(-1, place - 1 - _NEGATED_BEFORE), -1):
        if words[before].lower in NEGATIONS:
            return True
        if not words[before].is_word:
            return False
    return False


def are_joined(left: Word, right: Word) -> bool:
    """Whether nothing stands between two words."""
    return left.end == right.start


def ends_at(words: Sequence[Word], place: int) -> bool:
    """Whether no further word comes from a place on."""
    return not any(word.is_word for word in words[place:])


def back_over(words: Sequence[Word], place: int, passed: Collection[str]) -> int:
    """The place of the first of the words right before a place that are among `passed`; the place itself for none."""
    while lower_at(words, place - 1) in passed:
        place -= 1
    return place
