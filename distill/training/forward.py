"""Texts through an encoder with little padding, with or without gradients."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Encoding, Tokenizer
from torch import Tensor

from distill.encoder_folder import CONFIG, load_encoder
from distill.sentence_encoder import PooledEncoder
from distill.vocabulary import whole_words
from kith.errors import InputError
from workers.packing import pack
from workers.release import TOKENIZER

_TOKEN_BUDGET = 8192
# Every group costs a gradient of the whole vocabulary: a few are cheaper than little padding.
_LEAST_FILL = 0.25

# Vectors come back to the CPU: losses of a few hundred rows cost nothing there.
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

Forward = Callable[[Tensor, Tensor], Tensor]


class TextEncoder:
    """A differentiable encoder of texts.

    Args:
        tokenizer: any tokenizer of the `tokenizers` library.
        forward: int64 ids and mask (batch, sequence) on `DEVICE` to float32 (batch, dim) of unit length.
        max_tokens: longer texts are cut there.
    """

    def __init__(self, tokenizer: Tokenizer, forward: Forward, max_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        self._forward = forward

    @property
    def words(self) -> tuple[str, ...]:
        """The whole words of its vocabulary; for a vocabulary of another kind than WordPiece, what looks like them."""
        return whole_words(self._tokenizer)

    def __call__(self, texts: Sequence[str], *, exact: bool = False) -> Tensor:
        """Vectors of the texts, float32 (len(texts), dim), of unit length, in their order.

        Args:
            exact: compute in float32; in bfloat16, twice as fast, otherwise.
        """
        encoded = self._tokenizer.encode_batch_fast(list(texts))
        order: list[int] = []
        parts = []
        # One context for all: the weights are then rounded once.
        with torch.autocast(DEVICE, torch.bfloat16, enabled=not exact):
            for group in pack([len(e) for e in encoded], _TOKEN_BUDGET, _LEAST_FILL):
                ids, mask = _padded([encoded[index] for index in group])
                parts.append(self._forward(ids.to(DEVICE), mask.to(DEVICE)).cpu())
                order.extend(group)
        return torch.cat(parts).float()[torch.argsort(torch.tensor(order))]


def _padded(encoded: Sequence[Encoding]) -> tuple[Tensor, Tensor]:
    ids = torch.zeros(len(encoded), len(encoded[0]), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, encoding in enumerate(encoded):
        ids[row, : len(encoding)] = torch.tensor(encoding.ids)
        mask[row, : len(encoding)] = 1
    return ids, mask


def load_sentence_transformer(folder: Path) -> SentenceTransformer:
    """A sentence encoder from a folder; one without pooling gets mean pooling.

    Raises:
        InputError: the folder cannot be read as an encoder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder with an encoder.", "Give the folder that holds its config.json.")
    try:
        # Plain matrix products: torch's fused attention takes twice as long backwards in bfloat16 on a CPU.
        eager = {"attn_implementation": "eager"}
        model = SentenceTransformer(str(folder), device=DEVICE, local_files_only=True, model_kwargs=eager)
    except Exception as error:  # the libraries below raise what they like
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{folder} cannot be read as an encoder: {reason}", "It takes config.json, weights and tokenizer.json."
        ) from error
    # Dropout off: no batch comes twice, and a resumed run must go the same way.
    return model.eval()


def text_encoder(model: SentenceTransformer, max_tokens: int) -> TextEncoder:
    """The encoder of texts behind a sentence transformer; its own layers pool.

    Raises:
        InputError: its tokenizer is not one of the `tokenizers` library.
    """
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise InputError("The encoder has no tokenizer.json.", "Save its tokenizer as a fast one.")

    def forward(ids: Tensor, mask: Tensor) -> Tensor:
        features: dict[str, Any] = {"input_ids": ids, "attention_mask": mask}
        vectors: Tensor = model(features)["sentence_embedding"]
        return torch.nn.functional.normalize(vectors.float(), dim=-1)

    most = min(max_tokens, model.max_seq_length or max_tokens)
    return TextEncoder(Tokenizer.from_str(backend.to_str()), forward, most)


def load_any_encoder(folder: Path, max_tokens: int = 256) -> Callable[[Sequence[str]], npt.NDArray[np.float32]]:
    """The float32 encoder of a folder: a student (pooled last layer) or anything that a sentence transformer reads.

    Raises:
        InputError: the folder cannot be read as an encoder.
    """
    if _is_student(folder):
        encode = _student(folder, max_tokens)
    else:
        encode = text_encoder(load_sentence_transformer(folder), max_tokens)

    def embed(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(encode(texts, exact=True).numpy(), dtype=np.float32)

    return embed


def _is_student(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / CONFIG).read_text(encoding="utf-8")).get("kith_pooling") == "last_layer")
    except (OSError, ValueError):
        return False


def _student(folder: Path, max_tokens: int) -> TextEncoder:
    config, weights = load_encoder(folder)
    module = PooledEncoder(config)
    module.load_state_dict({name: torch.from_numpy(weights[name]) for name in module.state_dict()})
    most = min(max_tokens, config.max_positions)
    return TextEncoder(Tokenizer.from_file(str(folder / TOKENIZER)), module.eval().to(DEVICE), most)
