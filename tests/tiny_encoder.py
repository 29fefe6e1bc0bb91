"""A tiny BERT encoder with random weights, and what it should compute, written in numpy alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import erf
from pathlib import Path
from string import ascii_lowercase

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

POSITIONS, EPSILON = 64, 1e-12
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "who", "can", "fix", "a", "leaking", "roof", "treats", "cancer", "bakes"]
# With these, every word of English can be read, by its letters.
SPELLING = [*WORDS, "[MASK]", *ascii_lowercase, *(f"##{letter}" for letter in ascii_lowercase)]


@dataclass(frozen=True)
class Shape:
    layers: int = 2
    hidden: int = 16
    heads: int = 4
    wide: int = 32
    pooling: str = "mean"


SMALL = Shape()
HIDDEN = SMALL.hidden


def write(folder: Path, seed: int = 1, shape: Shape = SMALL, words: list[str] = WORDS) -> dict[str, np.ndarray]:
    """Write config, weights and tokenizer; returns the weights."""
    folder.mkdir(parents=True)
    config = {
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.wide,
        "kith_pooling": shape.pooling,
        "layer_norm_eps": EPSILON,
        "max_position_embeddings": POSITIONS,
        "vocab_size": len(words),
    }
    (folder / "config.json").write_text(json.dumps(config))
    weights = _weights(np.random.default_rng(seed), shape, len(words))
    save_file(weights, folder / "model.safetensors")
    _tokenizer(words).save(str(folder / "tokenizer.json"))
    return weights


def embed(weights: dict[str, np.ndarray], ids: list[int], shape: Shape = SMALL) -> np.ndarray:
    """float64 (hidden,), unit length: the encoder as its paper has it (Devlin et al., 2019), mean-pooled."""
    state = weights["embeddings.word_embeddings.weight"][ids].astype(np.float64)
    state = state + weights["embeddings.position_embeddings.weight"][: len(ids)]
    state = state + weights["embeddings.token_type_embeddings.weight"][0]
    state = _norm(state, weights, "embeddings.LayerNorm")
    pooled = shape.layers - 1 if shape.pooling == "last_layer" else shape.layers
    for layer in range(pooled):
        state = _layer(state, state, weights, f"encoder.layer.{layer}", shape)
    mean = state.mean(axis=0)
    if pooled < shape.layers:
        mean = _layer(mean[None], state, weights, f"encoder.layer.{pooled}", shape)[0]
    return mean / np.linalg.norm(mean)


def _layer(
    asking: np.ndarray, state: np.ndarray, weights: dict[str, np.ndarray], prefix: str, shape: Shape
) -> np.ndarray:
    attended = _attention(asking, state, weights, f"{prefix}.attention.self", shape)
    projected = _dense(attended, weights, f"{prefix}.attention.output.dense")
    middle = _norm(projected + asking, weights, f"{prefix}.attention.output.LayerNorm")
    wide = _dense(middle, weights, f"{prefix}.intermediate.dense")
    wide = wide * 0.5 * (1 + np.vectorize(erf)(wide / np.sqrt(2)))
    return _norm(_dense(wide, weights, f"{prefix}.output.dense") + middle, weights, f"{prefix}.output.LayerNorm")


def _attention(
    asking: np.ndarray, state: np.ndarray, weights: dict[str, np.ndarray], prefix: str, shape: Shape
) -> np.ndarray:
    size = shape.hidden // shape.heads
    query, key, value = (
        _dense(given, weights, f"{prefix}.{part}").reshape(-1, shape.heads, size).transpose(1, 0, 2)
        for part, given in (("query", asking), ("key", state), ("value", state))
    )
    scores = query @ key.transpose(0, 2, 1) / np.sqrt(size)
    weight = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weight = weight / weight.sum(axis=-1, keepdims=True)
    return (weight @ value).transpose(1, 0, 2).reshape(-1, shape.hidden)


def _dense(state: np.ndarray, weights: dict[str, np.ndarray], prefix: str) -> np.ndarray:
    return state @ weights[f"{prefix}.weight"].T.astype(np.float64) + weights[f"{prefix}.bias"]


def _norm(state: np.ndarray, weights: dict[str, np.ndarray], prefix: str) -> np.ndarray:
    centred = state - state.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt(centred.var(axis=-1, keepdims=True) + EPSILON)
    return scaled * weights[f"{prefix}.weight"] + weights[f"{prefix}.bias"]


def _weights(random: np.random.Generator, shape: Shape, words: int) -> dict[str, np.ndarray]:
    hidden, wide = shape.hidden, shape.wide
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (words, hidden),
        "embeddings.position_embeddings.weight": (POSITIONS, hidden),
        "embeddings.token_type_embeddings.weight": (2, hidden),
        "embeddings.LayerNorm.weight": (hidden,),
        "embeddings.LayerNorm.bias": (hidden,),
    }
    for layer in range(shape.layers):
        prefix = f"encoder.layer.{layer}"
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            shapes |= {f"{prefix}.{part}.weight": (hidden, hidden), f"{prefix}.{part}.bias": (hidden,)}
        shapes |= {f"{prefix}.intermediate.dense.weight": (wide, hidden), f"{prefix}.intermediate.dense.bias": (wide,)}
        shapes |= {f"{prefix}.output.dense.weight": (hidden, wide), f"{prefix}.output.dense.bias": (hidden,)}
        for part in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"{prefix}.{part}.weight": (hidden,), f"{prefix}.{part}.bias": (hidden,)}
    return {name: random.normal(0, 0.4, size).astype(np.float32) for name, size in shapes.items()}


def _tokenizer(words: list[str]) -> Tokenizer:
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=WORDS[1]))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    # What a training run leaves behind; an export must not carry it on.
    tokenizer.enable_padding(length=48)
    tokenizer.enable_truncation(6)
    return tokenizer
