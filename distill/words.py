"""Content words cut to rough stems: how the words of a lay question are told from those of a profile."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_WORD = re.compile(r"[^\W\d_]+")
_MIN_WORD_CHARS = 3
_MIN_PREFIX_CHARS = 4
_MAX_ENDING_CHARS = 3
_MIN_STEM_CHARS = 3  # strict on purpose: care and car are taken for one word rather than dive and diving for two
_ENDINGS = ("ations", "ation", "ments", "ment", "ings", "ing", "ers", "ies", "ed", "er", "es", "ly", "s", "e", "y")

# Function words, and the words with which anybody asks for anybody; they say nothing about the work that is sought.
STOP_WORDS = frozenset(
    """
    a about after against all always am an and another any anybody anyone are around as at away back be because
    been before behind being between both but by came can cannot come comes could did do does doing done during
    down each either else every everybody everyone everything find for from get gets getting give gives go goes
    going gone good had has have having he help helps her here him his how i if in inside into is isn it its
    itself just keep keeps knew know knows last let lets like look looking make makes making many may me might
    more most much must my myself near need needs never new nice no nobody not nothing now of off on once one
    only or other our out over own people per person properly put puts really right same seem she should so some
    somebody someone something still such sure take takes tell tells than that the their them then there these
    they thing things this those through to together too under until up us use used very want wants was way we
    well were what when where which while who whom whose why will with without won would you your
    bei das dass dem den der des die ein eine einen einer eines für habe hat ich ist kann kennt könnte man mein
    meine meinem meinen meiner mich mir mit nicht oder sich sie uns unser unsere unserem unseren und von was
    wenn wer wie wir wird zum zur al algo alguien como con cuando del donde ella ese esta este estoy hay las los
    más mis necesito para pero por puede que quien quién quiero sabe son sus una uno
    """.split()  # noqa: SIM905  a list of 250 strings is no easier to read
)


def content_stems(text: str) -> frozenset[str]:
    """The stems of the words of a text that are neither stop words nor shorter than three letters, in lower case."""
    words = _WORD.findall(unicodedata.normalize("NFC", text).casefold())
    return frozenset(_stem(word) for word in words if len(word) >= _MIN_WORD_CHARS and word not in STOP_WORDS)


def shared_stems(question: str, texts: Iterable[str]) -> frozenset[str]:
    """The stems of a question that occur in any of the texts; a stem that begins another (child, childr) is shared."""
    asked = content_stems(question)
    found = frozenset().union(*(content_stems(text) for text in texts))
    return frozenset(stem for stem in asked if any(_akin(stem, other) for other in found))


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _MIN_STEM_CHARS:
            return word[: -len(ending)]
    return word


def _akin(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    if short == long:
        return True
    return len(short) >= _MIN_PREFIX_CHARS and len(long) - len(short) <= _MAX_ENDING_CHARS and long.startswith(short)
