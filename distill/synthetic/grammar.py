"""The little English grammar that the sentences need: verb forms, articles, capitals."""

from __future__ import annotations

import re

_VOWELS = frozenset("aeiou")
_SOUNDED_WITH_VOWEL = frozenset("AEFHILMNORSX")
_DOUBLING = frozenset(
    """
    begin commit control counsel debug dial enrol equip masterplan model occur patrol permit program refer
    regret remodel reset submit transfer trial
    """.split()  # noqa: SIM905  shorter than a list of strings
)
_CONSONANT_Y = frozenset({"uni", "use", "eur", "one", "uti"})
_INITIALISM = re.compile(r"^(?:[A-Z]{2,}|[A-Z][a-z]?[A-Z])")
_IRREGULAR = {"have": "has", "do": "does", "go": "goes", "be": "is"}


def capital(text: str) -> str:
    """The text with its first letter as a capital."""
    return text[:1].upper() + text[1:]


def with_article(phrase: str) -> str:
    """The phrase with `a` or `an` before it, by its sound as far as its letters tell."""
    if _INITIALISM.match(phrase):
        vowel = phrase[0] in _SOUNDED_WITH_VOWEL
    else:
        vowel = phrase[:1].lower() in _VOWELS and phrase[:3].lower() not in _CONSONANT_Y
    return f"{'an' if vowel else 'a'} {phrase}"


def third_person(task: str) -> str:
    """A task whose first word is a verb in the base form, as a third person does it: plan wards, plans wards."""
    verb, _, rest = task.partition(" ")
    return f"{_with_s(verb)} {rest}".rstrip()


def gerund(task: str) -> str:
    """A task whose first word is a verb in the base form, as a noun: plan wards, planning wards."""
    verb, _, rest = task.partition(" ")
    return f"{_with_ing(verb)} {rest}".rstrip()


def _with_s(verb: str) -> str:
    if verb in _IRREGULAR:
        return _IRREGULAR[verb]
    if verb.endswith(("s", "x", "z", "ch", "sh", "o")):
        return f"{verb}es"
    if verb.endswith("y") and verb[-2:-1] not in _VOWELS:
        return f"{verb[:-1]}ies"
    return f"{verb}s"


def _with_ing(verb: str) -> str:
    if verb.endswith("ie"):
        return f"{verb[:-2]}ying"
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")) and verb != "be":
        return f"{verb[:-1]}ing"
    if _doubles(verb):
        return f"{verb}{verb[-1]}ing"
    return f"{verb}ing"


def _doubles(verb: str) -> bool:
    """Whether the last consonant is written twice: one vowel, one consonant after it, the stress on them."""
    if verb in _DOUBLING:
        return True
    last, vowel, before = verb[-1:], verb[-2:-1], verb[-3:-2]
    if last in _VOWELS or last in "wxy" or vowel not in _VOWELS or (before in _VOWELS and verb[-4:-2] != "qu"):
        return False
    return sum(letter in _VOWELS for letter in verb) == 1 or verb == "quit"
