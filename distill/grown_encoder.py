"""An encoder folder with a vocabulary for every language; the layers stay what they were."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from distill.encoder_folder import CONFIG, WEIGHTS
from distill.taxonomy import LANGUAGES
from distill.training.material import Material
from distill.vocabulary import choose_tokens, grow, words_of
from distill.word_alignment import word_translations
from kith.errors import InputError
from workers.release import TOKENIZER

GROWN = "grown"
NEW_ROWS = "new_rows.npy"

_WORDS = "embeddings.word_embeddings.weight"


def grow_encoder(source: Path, target: Path, material: Material, most: int) -> Path:
    """A copy of the encoder with new tokens; `source` itself where its vocabulary is not of the WordPiece kind.

    Which rows of the word embeddings are new stands in `new_rows.npy`, bool (vocabulary,).

    Raises:
        InputError: a file of the encoder is missing or unreadable.
    """
    try:
        content = (source / TOKENIZER).read_text(encoding="utf-8")
        weights = load_file(source / WEIGHTS)
        config = json.loads((source / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{source} is not a readable encoder: {error}.", f"It must hold {CONFIG}, {WEIGHTS} and {TOKENIZER}."
        ) from error
    name = next((key for key in weights if key.endswith(_WORDS)), None)
    if json.loads(content)["model"]["type"] != "WordPiece" or name is None:
        return source
    tokenizer = Tokenizer.from_str(content)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    translated = _translated(tokenizer, material)
    chosen = choose_tokens(tokenizer, material.concepts, _foreign_texts(material), translated, most)
    grown, rows, is_new = grow(content, weights[name].astype(np.float32), chosen, most)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    (target / TOKENIZER).write_text(grown, encoding="utf-8")
    save_file({**weights, name: rows}, target / WEIGHTS, metadata={"format": "pt"})
    (target / CONFIG).write_text(json.dumps({**config, "vocab_size": len(rows)}, indent=2) + "\n", encoding="utf-8")
    (target / "vocab.txt").unlink(missing_ok=True)
    np.save(target / NEW_ROWS, is_new)
    return target


def _translated(tokenizer: Tokenizer, material: Material) -> dict[str, tuple[str, ...]]:
    """English words by word of another language, as far as translated needs and titles tell."""
    pairs = [*material.needs, *(title for titles in material.titles.values() for title in titles)]
    found: dict[str, tuple[str, ...]] = {}
    for language in LANGUAGES[1:]:
        sentences = [
            (words_of(tokenizer, pair.text), words_of(tokenizer, pair.english))
            for pair in pairs
            if pair.language == language
        ]
        for word, english in word_translations(sentences).items():
            found[word] = (*found.get(word, ()), english)
    return found


def _foreign_texts(material: Material) -> list[str]:
    texts = [need.text for need in material.needs]
    for occupation in material.taxonomy.occupations:
        for local in occupation.local.values():
            texts += [local.title, *local.phrases]
    for language, patterns in material.taxonomy.questions.items():
        if language != "en":
            texts += [
                pattern.replace("{x}", "").replace("{city}", "") for kind in patterns.values() for pattern in kind
            ]
    return texts
