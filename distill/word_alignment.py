"""Which English word a foreign word stands for, learnt from translated sentences: IBM Model 1 (Brown et al., 1993)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

_ROUNDS = 6
_LEAST_COUNT = 2
_LEAST_SHARE = 0.3

Sentence = Sequence[str]


def word_translations(pairs: Sequence[tuple[Sentence, Sentence]]) -> dict[str, str]:
    """The English word of each foreign word that the pairs are sure enough about.

    Args:
        pairs: foreign and English sentences as words, of one language.

    Returns:
        English word by foreign word, for words that occur twice or more and give one English word 30 % or more.
    """
    chances = _learnt(pairs)
    counts = Counter(word for foreign, _ in pairs for word in set(foreign))
    found = {}
    for word, row in chances.items():
        best = max(sorted(row), key=row.__getitem__)
        if counts[word] >= _LEAST_COUNT and row[best] >= _LEAST_SHARE:
            found[word] = best
    return found


def _learnt(pairs: Sequence[tuple[Sentence, Sentence]]) -> dict[str, dict[str, float]]:
    """By foreign word, the chance of each English word."""
    chances: dict[str, dict[str, float]] = defaultdict(dict)
    for foreign, english in pairs:
        for word in foreign:
            chances[word].update(dict.fromkeys(english, 1.0))
    for _ in range(_ROUNDS):
        expected: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for foreign, english in pairs:
            for target in english:
                # Every English word comes from one of the foreign ones.
                total = sum(chances[word][target] for word in foreign)
                for word in foreign:
                    expected[word][target] += chances[word][target] / total
        for word, row in expected.items():
            total = sum(row.values())
            chances[word] = {target: count / total for target, count in row.items()}
    return chances
