"""Texts in other languages with their English: needs, titles, words of the lexicon, and English with words replaced."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence

from distill.lexicon import Concept
from distill.synthetic.draws import Draw
from distill.synthetic.profiles import draw_profile
from distill.taxonomy import LANGUAGES
from distill.training.material import Material, Translation

_KINDS = {
    "need": 0.28,
    "title": 0.1,
    "word": 0.24,
    "mixed need": 0.08,
    "mixed profile": 0.14,
    "english": 0.1,
    "any words": 0.06,
}
_PLAIN_WORD = 0.35
_TWO_WORDS = 0.35
_REPLACED = (0.35, 0.7, 1.0)
_LONGEST_PHRASE = 3
_MIN_SENTENCES = 2
_MAX_SENTENCES = 4
_STREWN = 0.15
_MOST_WORDS = 20
_TOKEN = re.compile(r"\w+|\W+")


class Translations:
    """Draws translations from material.

    Args:
        words: of the encoder's vocabulary; texts of them keep what it knows beyond the material.
    """

    def __init__(self, material: Material, words: Sequence[str]) -> None:
        self._material = material
        self._words = words
        self._replacer = WordReplacer(material.concepts)
        self._english = tuple(dict.fromkeys(n.english for n in material.needs))
        self._titles = tuple(title for titles in material.titles.values() for title in titles)
        self._draws: dict[str, Callable[[Draw], Translation]] = {
            "need": self._need,
            "title": self._title,
            "word": self._word,
            "mixed need": self._mixed_need,
            "mixed profile": self._mixed_profile,
            "english": self._same,
            "any words": self._any_words,
        }

    def draw(self, draw: Draw) -> Translation:
        """One translation."""
        return self._draws[draw.weighted(_KINDS)](draw)

    def _need(self, draw: Draw) -> Translation:
        return draw.pick(self._material.needs) if self._material.needs else self._title(draw)

    def _title(self, draw: Draw) -> Translation:
        title = draw.pick(self._titles)
        return self._asked(draw, title.language, "title", title.text, title.english)

    def _word(self, draw: Draw) -> Translation:
        language = draw.pick(LANGUAGES[1:])
        concept = draw.pick(self._material.concepts)
        text, english = draw.pick(concept.forms[language]), concept.english
        if draw.chance(_PLAIN_WORD):
            return Translation(language, text, english)
        if draw.chance(_TWO_WORDS):
            other = draw.pick(self._material.concepts)
            text, english = f"{text}, {other.forms[language][0]}", f"{english}, {other.english}"
        return self._asked(draw, language, "about", text, english)

    def _asked(self, draw: Draw, language: str, kind: str, text: str, english: str) -> Translation:
        patterns = self._material.taxonomy.questions
        at = draw.below(len(patterns["en"][kind]))
        return Translation(
            language, patterns[language][kind][at].format(x=text), patterns["en"][kind][at].format(x=english)
        )

    def _mixed_need(self, draw: Draw) -> Translation:
        return self._mixed(draw, draw.pick(self._english)) if self._english else self._title(draw)

    def _mixed_profile(self, draw: Draw) -> Translation:
        return self._mixed(draw, self._sentences(draw))

    def _same(self, draw: Draw) -> Translation:
        """English as it is, strewn with words that no profile of the taxonomy has."""
        parts = [draw.pick(self._words) if draw.chance(_STREWN) else part for part in self._sentences(draw).split(" ")]
        text = " ".join(parts)
        return Translation("en", text, text)

    def _any_words(self, draw: Draw) -> Translation:
        text = " ".join(draw.pick(self._words) for _ in range(draw.between(1, _MOST_WORDS)))
        return Translation("en", text, text)

    def _mixed(self, draw: Draw, english: str) -> Translation:
        language = draw.pick(LANGUAGES[1:])
        return Translation(language, self._replacer.replaced(draw, english, language, draw.pick(_REPLACED)), english)

    def _sentences(self, draw: Draw) -> str:
        """Some sentences of a summary in English."""
        made = draw_profile(self._material.taxonomy, draw, "mixed")
        text = made.profile.summary if made.language == "en" and made.dirt is None else None
        if not text:
            return draw.pick(self._titles).english
        sentences = text.split(". ")
        begin = draw.below(max(1, len(sentences) - 1))
        return ". ".join(sentences[begin : begin + draw.between(_MIN_SENTENCES, _MAX_SENTENCES)])


class WordReplacer:
    """Replaces English words and phrases by those of another language, word by word as a bad dictionary would."""

    def __init__(self, concepts: Sequence[Concept]) -> None:
        self._concepts: dict[str, list[Concept]] = defaultdict(list)
        for concept in concepts:
            for form in concept.forms["en"]:
                self._concepts[form.casefold()].append(concept)

    def replaced(self, draw: Draw, text: str, language: str, share: float) -> str:
        """The text with this share of the known phrases in the other language, longest phrases first."""
        parts, made, at = _TOKEN.findall(text), [], 0
        while at < len(parts):
            length, concept = self._longest(parts, at, draw)
            if concept is None or not draw.chance(share):
                made.append(parts[at])
                at += 1
                continue
            made.append(draw.pick(concept.forms[language]))
            at += length
        return "".join(made)

    def _longest(self, parts: Sequence[str], at: int, draw: Draw) -> tuple[int, Concept | None]:
        # Words and what stands between them take turns: a phrase of n words spans 2n - 1 parts.
        for length in range(2 * _LONGEST_PHRASE - 1, 0, -2):
            phrase = "".join(parts[at : at + length]).casefold()
            for form in (phrase, phrase.removesuffix("s")):
                if found := self._concepts.get(form):
                    return length, draw.pick(found)
        return 1, None
