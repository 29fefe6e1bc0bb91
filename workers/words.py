"""Texts to the words that keyword search compares, the same way for profiles and questions. Pure.

Analyzers differ between servers, and Milvus Lite's splits at whatever is no letter, digit or underscore. So the words
are made here, plain enough for any of them: lower case, without accents, apart by blanks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise

from workers.contract import Asked
from workers.function_words import FUNCTION_WORDS
from workers.limits import WORDS_LIMIT

# What a collection's words were made by; a change of what this module gives is a new id.
WORDS_ID = "words-1"

# A name stands for more than a mention of it.
_NAME_TIMES = 2
# More words than these are a text, whose neighbours say nothing as a pair.
_MAX_NAME_WORDS = 6
# A longer question is cut: its end would cost a search of every word, and change nothing.
_MAX_QUESTION_WORDS = 48
# Before the words of a whole name, which are joined in one order whatever order they come in.
_WHOLE = "0"

_WORD = re.compile(r"[^\W_]+")
# Letters that no decomposition takes apart.
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "\u0131": "i", "ħ": "h", "ŧ": "t"}
)
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
# Programming languages that would be left with their first letter.
_SIGNS = (("++", re.compile(r"\b([a-z])\+\+"), r"\1plusplus"), ("#", re.compile(r"\b([a-z])#"), r"\1sharp"))
# Scripts written without blanks: Thai and Lao, Myanmar, Khmer, kana, Han; Hangul, whose words take endings.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff]+"
)


def words_of(text: str) -> list[str]:
    """The words of a text in order: NFKC, casefolded, without accents and invisible characters.

    Scripts without blanks give pairs of neighbouring characters. A word with ä, ö or ü is followed by its other
    spelling, with ae, oe or ue.
    """
    if text.isascii():
        # Each has one spelling.
        return _WORD.findall(_signs_spelled(text.casefold()))
    return _flat(list(_spelled_words(text)))


def profile_words(name: str, text: str) -> str:
    """What the index analyzes of a profile: its name, joined neighbours of the name, and the text; cut to its limit."""
    named = list(_spelled_words(name))
    return _fit([*_flat(named) * _NAME_TIMES, *_joined_spellings(named), *words_of(text)])


def asked(question: str) -> Asked:
    """The words of a question; none where it has neither letters nor digits."""
    words = list(dict.fromkeys(_spelled_words(question)))[:_MAX_QUESTION_WORDS]
    telling = [word for word in words if word[0] not in FUNCTION_WORDS] or words
    pairs = [one[-1] + other[0] for one, other in pairwise(telling)]
    names = _both_ways(words) if len(words) <= _MAX_NAME_WORDS else []
    together = set(_both_ways(telling))
    sure = frozenset(name for name in names if name.startswith(_WHOLE) or name in together)
    return Asked(tuple(telling), tuple(dict.fromkeys(pairs)), tuple(names), sure)


def joined_pairs(words: Sequence[str]) -> list[str]:
    """Neighbours among a profile's words joined to one, function words passed over."""
    return [one + other for one, other in pairwise(word for word in words if word not in FUNCTION_WORDS)]


def _flat(words: Sequence[tuple[str, ...]]) -> list[str]:
    return [spelling for word in words for spelling in word]


def _both_ways(words: Sequence[tuple[str, ...]]) -> list[str]:
    return list(dict.fromkeys(_joined_spellings(words) + _joined_spellings(words[::-1])))


def _joined_spellings(words: Sequence[tuple[str, ...]]) -> list[str]:
    return list(dict.fromkeys(_joined_name([word[0] for word in words]) + _joined_name([word[-1] for word in words])))


def _joined_name(words: Sequence[str]) -> list[str]:
    """What a name has beside its words: neighbours joined, first and last joined, and all of them in any order."""
    if len(words) < 2:  # noqa: PLR2004 (a pair)
        return []
    pairs = [one + other for one, other in pairwise(words)]
    return [*pairs, words[0] + words[-1], _WHOLE + "".join(sorted(words))]


def _spelled_words(text: str) -> Iterator[tuple[str, ...]]:
    lowered = _signs_spelled(unicodedata.normalize("NFKC", text).casefold())
    visible = unicodedata.normalize("NFC", _without(lowered, "Cf"))
    at = 0
    for unspaced in _UNSPACED.finditer(visible):
        yield from _spaced_words(visible[at : unspaced.start()])
        yield from _neighbours(unspaced.group())
        at = unspaced.end()
    yield from _spaced_words(visible[at:])


def _signs_spelled(lowered: str) -> str:
    for sign, letter_and_sign, spelled in _SIGNS:
        if sign in lowered:
            lowered = letter_and_sign.sub(spelled, lowered)
    return lowered


def _spaced_words(text: str) -> Iterator[tuple[str, ...]]:
    for word in _WORD.findall(_without(text, "M")):
        if word.isascii():
            yield (word,)
            continue
        plain, other = _plain(word), _plain(word.translate(_UMLAUTS))
        yield (plain,) if plain == other else (plain, other)


def _neighbours(text: str) -> Iterator[tuple[str, ...]]:
    letters = "".join(_WORD.findall(_without(text, "M")))
    if len(letters) == 1:
        yield (letters,)
    for one, other in pairwise(letters):
        yield (one + other,)


def _plain(word: str) -> str:
    if word.isascii():
        return word
    # Hangul comes apart with the accents, so it is put together again.
    return unicodedata.normalize("NFC", _without(unicodedata.normalize("NFKD", word.translate(_LETTERS)), "M"))


def _without(text: str, category: str) -> str:
    """Without the characters of a Unicode category: an analyzer would split words at marks and invisible characters."""
    if text.isascii():
        return text
    gone = [ord(c) for c in set(text) if not c.isascii() and unicodedata.category(c).startswith(category)]
    return text.translate(dict.fromkeys(gone)) if gone else text


def _fit(words: Sequence[str]) -> str:
    text = " ".join(words)
    if len(text.encode()) <= WORDS_LIMIT.max_bytes:
        return text
    return text.encode()[: WORDS_LIMIT.max_bytes].decode(errors="ignore").rpartition(" ")[0]
