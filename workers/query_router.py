"""What a question looks like, and so how it is answered: by meaning, by words, or both. Pure: the question alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from schemas.search_records import SearchMode
from workers.function_words import CONNECTORS, FUNCTION_WORDS
from workers.words import words_of

# Whoever asks by more words describes somebody.
_MOST_WORDS_OF_A_LABEL = 6

_QUOTED = re.compile(r'\s*(?:"[^"]+"|„[^“”]+[“”]|“[^”]+”|«[^»]+»|»[^«]+«)\s*')
_TOKEN = re.compile(r"[^\s,;/|()\"“”„«»]+")


def route(question: str) -> SearchMode:
    """Choose a mode: semantic, keyword or hybrid.

    What is quoted as a whole is looked for word by word. A label (few words, and function words only where names have
    them) and a sentence that may name something (a capital after its first word) are looked for both ways: they may be
    a name, a company, a title or a subject, and what is found tells. Any other sentence is looked for by meaning.
    """
    if _QUOTED.fullmatch(question):
        return SearchMode.KEYWORD
    tokens = _TOKEN.findall(question)
    telling = [token for token in tokens if _tells(token)]
    if _is_label(tokens, telling) or any(_may_name(token) for token in telling if token is not tokens[0]):
        return SearchMode.HYBRID
    return SearchMode.SEMANTIC


def _tells(token: str) -> bool:
    words = words_of(token)
    return bool(words) and not FUNCTION_WORDS.issuperset(words)


def _is_label(tokens: Sequence[str], telling: Sequence[str]) -> bool:
    if not telling or len(tokens) > _MOST_WORDS_OF_A_LABEL or tokens[-1].endswith("?"):
        return False
    return all(token in telling or CONNECTORS.issuperset(words_of(token)) for token in tokens)


def _may_name(token: str) -> bool:
    # Scripts without capitals do not tell names apart, so any of their words may be one.
    first = next((character for character in token if character.isalpha()), "")
    return bool(first) and (first != first.lower() or first == first.upper())
