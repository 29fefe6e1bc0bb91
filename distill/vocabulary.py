"""A WordPiece vocabulary that also knows the words of the other languages.

An English vocabulary cuts `Steuererklärung` into eight pieces that mean nothing. A new token takes the mean of the
pieces of its English translation as its first embedding, so that a foreign sentence begins as a gloss of the English
one, and training only has to finish it. Tokens of other scripts and unused ones give their places away.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from distill.encoder_folder import Array
from distill.lexicon import Concept
from kith.errors import InputError

_CONTINUES = "##"
_MIN_STEM_CHARS = 5
_MAX_ENDING_CHARS = 4
_MIN_WORD_CHARS = 3
_MIN_PART_CHARS = 5
# A word of the lexicon is worth a token although it occurs once; one that only texts hold must come back.
_MIN_TEXT_COUNT = 3
_COMPOUNDING = ("de", "nl")
_UNUSED = re.compile(r"^\[unused\d+\]$")
# Latin letters with and without marks, digits, and ASCII punctuation: what the languages are written with.
_WRITTEN = re.compile(r"^(?:##)?[\u0000-\u024f\u1e00-\u1eff\u2010-\u2030\u20ac]+$")


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token to add. `glosses`: English texts that mean the same; empty where none is known."""

    token: str
    glosses: tuple[str, ...]


def choose_tokens(
    tokenizer: Tokenizer,
    lexicon: Sequence[Concept],
    texts: Iterable[str],
    translated: Mapping[str, tuple[str, ...]],
    limit: int,
) -> list[NewToken]:
    """The tokens that shorten lexicon and texts most, at most `limit`, best first.

    Forms that share a long beginning get one token for it; the endings stay pieces of the old vocabulary.

    Args:
        translated: English words by word of the texts, where they are known.
    """
    glosses, weight = _from_lexicon(tokenizer, lexicon)
    seen = Counter(word for text in texts for word in words_of(tokenizer, text))
    for word, count in seen.items():
        begun = next((word[:end] for end in range(len(word), _MIN_STEM_CHARS - 1, -1) if word[:end] in glosses), None)
        if begun is not None:
            weight[begun] += count
        elif count >= _MIN_TEXT_COUNT or word in translated:
            glosses[word] = translated.get(word, ())
            weight[word] = count
    known = tokenizer.get_vocab()
    saved = {token: weight[token] * _pieces_saved(tokenizer, token) for token in glosses if token not in known}
    ranked = sorted((token for token, value in saved.items() if value > 0), key=lambda token: (-saved[token], token))
    return [NewToken(token, glosses[token]) for token in ranked[:limit]]


def whole_words(tokenizer: Tokenizer) -> tuple[str, ...]:
    """The words of the vocabulary, in the order of their numbers; pieces, names of one letter and marks left out."""
    vocabulary = tokenizer.get_vocab()
    words = (token for token in vocabulary if token.isalpha() and len(token) >= _MIN_WORD_CHARS)
    return tuple(sorted(words, key=vocabulary.__getitem__))


def grow(
    tokenizer_json: str, embeddings: Array, new: Sequence[NewToken], most: int
) -> tuple[str, Array, npt.NDArray[np.bool_]]:
    """A tokenizer and word embeddings with the new tokens in them.

    Args:
        tokenizer_json: of a WordPiece tokenizer.
        embeddings: float32 (vocabulary, hidden).
        most: size of the vocabulary at the most; tokens that do not fit are left out, last first.

    Returns:
        The tokenizer's JSON, float32 (grown vocabulary, hidden), and which of its rows are new, bool.

    Raises:
        InputError: the tokenizer is not a WordPiece one.
    """
    content: dict[str, Any] = json.loads(tokenizer_json)
    if content["model"]["type"] != "WordPiece":
        raise InputError(
            f"The tokenizer is a {content['model']['type']} one.", "Only a WordPiece vocabulary can be given new words."
        )
    vocabulary: dict[str, int] = content["model"]["vocab"]
    free = sorted(number for token, number in vocabulary.items() if _is_useless(token))
    free += list(range(len(embeddings), most))
    kept = {token: number for token, number in vocabulary.items() if not _is_useless(token)}
    old = Tokenizer.from_str(tokenizer_json)
    # Padding would take part in the means.
    old.no_padding()
    old.no_truncation()
    placed = list(zip(new, free, strict=False))
    rows = np.zeros((max(len(embeddings), *(number + 1 for _, number in placed), 0), embeddings.shape[1]), np.float32)
    rows[: len(embeddings)] = embeddings
    is_new = np.zeros(len(rows), dtype=np.bool_)
    for token, number in placed:
        kept[token.token] = number
        rows[number] = _first_embedding(old, embeddings, token)
        is_new[number] = True
    content["model"]["vocab"] = dict(sorted(_without_gaps(kept, len(rows)).items(), key=lambda item: item[1]))
    return json.dumps(content, ensure_ascii=False), rows, is_new


def _without_gaps(vocabulary: Mapping[str, int], size: int) -> dict[str, int]:
    """Numbers that no token has any more get a name that no text can hold."""
    taken = set(vocabulary.values())
    return {**vocabulary, **{f"[unused{number}]": number for number in range(size) if number not in taken}}


def _first_embedding(tokenizer: Tokenizer, embeddings: Array, new: NewToken) -> Array:
    texts = new.glosses or (new.token.removeprefix(_CONTINUES),)
    # The first gloss is the commonest word: it counts twice.
    parts = [_mean_piece(tokenizer, embeddings, text) for text in (texts[0], *texts)]
    mean = np.mean(parts, axis=0)
    length = float(np.mean([np.linalg.norm(part) for part in parts]))
    return np.asarray(mean * (length / max(float(np.linalg.norm(mean)), 1e-6)), dtype=np.float32)


def _mean_piece(tokenizer: Tokenizer, embeddings: Array, text: str) -> Array:
    pieces = embeddings[tokenizer.encode(text, add_special_tokens=False).ids]
    mean = pieces.mean(axis=0)
    length = np.linalg.norm(pieces, axis=1).mean()
    return np.asarray(mean * (length / max(float(np.linalg.norm(mean)), 1e-6)), dtype=np.float32)


def _from_lexicon(tokenizer: Tokenizer, lexicon: Sequence[Concept]) -> tuple[dict[str, tuple[str, ...]], Counter[str]]:
    glosses: dict[str, tuple[str, ...]] = {}
    weight: Counter[str] = Counter()
    nouns: set[str] = set()
    for concept in lexicon:
        for language, forms in concept.forms.items():
            if language == "en":
                continue
            words = [words[0] for form in forms if len(words := words_of(tokenizer, form)) == 1]
            for token in _stemmed([word for word in words if len(word) >= _MIN_WORD_CHARS]):
                glosses[token] = (*glosses.get(token, ()), concept.english)
                weight[token] += 1
                if language in _COMPOUNDING and len(token) >= _MIN_PART_CHARS:
                    nouns.add(token)
    for token in _parts_of_compounds(nouns):
        glosses[f"{_CONTINUES}{token}"] = glosses[token]
        weight[f"{_CONTINUES}{token}"] += 1
    return glosses, weight


def _stemmed(words: Sequence[str]) -> list[str]:
    """Forms that begin alike and differ in a short ending become their common beginning."""
    stems: list[str] = []
    for word in dict.fromkeys(words):
        for at, stem in enumerate(stems):
            shared = _shared_beginning(stem, word)
            if len(shared) >= _MIN_STEM_CHARS and max(len(stem), len(word)) - len(shared) <= _MAX_ENDING_CHARS:
                stems[at] = shared
                break
        else:
            stems.append(word)
    return stems


def _shared_beginning(one: str, other: str) -> str:
    length = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[:length]


def _parts_of_compounds(nouns: set[str]) -> list[str]:
    """The words that end another word of the same languages: `versicherung` ends `krankenversicherung`."""
    return sorted({word[at:] for word in nouns for at in range(3, len(word) - _MIN_PART_CHARS + 1)} & nouns)


def words_of(tokenizer: Tokenizer, text: str) -> list[str]:
    """The words of a text as the tokenizer sees them: normalised, without marks and numbers."""
    normal = tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal) if word.isalpha()]


def _pieces_saved(tokenizer: Tokenizer, token: str) -> int:
    return len(tokenizer.encode(token.removeprefix(_CONTINUES), add_special_tokens=False).ids) - 1


def _is_useless(token: str) -> bool:
    return bool(_UNUSED.match(token)) or not _WRITTEN.match(token)
