"""Texts to vectors with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Encoding, Tokenizer

from kith.errors import InputError, ReleaseError, SettingsError
from workers.contract import Vectors
from workers.packing import pack
from workers.release import Release

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}

# Prose has 4 to 6 characters a token. Only runs of white space or one endless word have more than this, so the cut
# takes away nothing that would be read, and a text of any length costs milliseconds.
_MAX_CHARS_PER_TOKEN = 32


# The fused skip-and-norm node takes six times as long on CPUs as the two that it replaces.
_SLOWER_FUSIONS = ["SkipLayerNormFusion"]


class OnnxEmbedder:
    """Implements `workers.contract.Embedder`. Safe to call from several threads.

    Activations are quantized with one scale a run, so a text's vector depends a little on the texts it ran with.

    Args:
        threads: threads of a model run; 0 takes every core. The tokenizer, 1 to 2 % of the work, takes every core.
        token_budget: tokens of a run, padding included; it bounds the memory. 1 runs every text alone.
        provider: "cpu" or "cuda".

    Raises:
        ReleaseError: the graph cannot be loaded, or gives vectors of another length than the manifest says.
        SettingsError: the provider is unknown or not there. ONNX Runtime would fall back to another one without a word.
    """

    def __init__(self, release: Release, *, threads: int = 0, token_budget: int = 512, provider: str = "cpu") -> None:
        self._manifest = release.manifest
        self._token_budget = token_budget
        self._tokenizer = _tokenizer(release)
        self._session = _session(release, threads, provider)
        _check_width(self._session, release.model_file(provider), release.manifest.dim)

    @property
    def dim(self) -> int:
        """See `workers.contract.Embedder.dim`."""
        return self._manifest.dim

    @property
    def model(self) -> str:
        """Name of the release."""
        return self._manifest.name

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `workers.contract.Embedder.embed`.

        Raises:
            InputError: a text cannot be encoded (it holds a lone surrogate).
        """
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        encoded = self._encode(texts)
        for group in pack([len(encoding) for encoding in encoded], self._token_budget):
            vectors[group] = self._run([encoded[index] for index in group])
        return vectors

    def _encode(self, texts: Sequence[str]) -> list[Encoding]:
        most = self._manifest.max_tokens * _MAX_CHARS_PER_TOKEN
        try:
            return list(self._tokenizer.encode_batch_fast([text[:most] for text in texts]))
        except (UnicodeEncodeError, TypeError) as error:
            raise InputError(f"A text cannot be tokenized: {type(error).__name__}.") from error

    def _run(self, group: Sequence[Encoding]) -> Vectors:
        longest = len(group[0])
        ids = np.zeros((len(group), longest), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, encoding in enumerate(group):
            ids[row, : len(encoding)] = encoding.ids
            mask[row, : len(encoding)] = 1
        (vectors,) = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
        if not np.isfinite(vectors).all():
            raise InputError("The model gave a vector that is not finite.")
        return np.asarray(vectors, dtype=np.float32)


def _tokenizer(release: Release) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(release.tokenizer_file))
    tokenizer.no_padding()
    tokenizer.enable_truncation(release.manifest.max_tokens)
    return tokenizer


def _session(release: Release, threads: int, provider: str) -> onnxruntime.InferenceSession:
    wanted = PROVIDERS.get(provider)
    if wanted is None:
        raise SettingsError(f"KITH_PROVIDER is {provider}.", f"Set it to one of {', '.join(PROVIDERS)}.")
    available = onnxruntime.get_available_providers()
    if wanted not in available:
        raise SettingsError(
            f"KITH_PROVIDER is {provider}, but ONNX Runtime here has only {', '.join(available)}.",
            "Install the matching extra (kith[gpu]) on a machine with that device, or set KITH_PROVIDER=cpu.",
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A pattern is kept for every shape of input, and most runs have a new one; the arena alone stays flat.
    options.enable_mem_pattern = False
    # Spinning threads would take the other core from Kafka's client and the event loop between runs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    file = release.model_file(provider)
    try:
        session = onnxruntime.InferenceSession(
            str(file), options, providers=[wanted], disabled_optimizers=_SLOWER_FUSIONS
        )
    except _LOAD_ERRORS as error:
        raise ReleaseError(f"{file} cannot be loaded: {error}.", "Export the release again.") from error
    if session.get_providers()[0] != wanted:
        raise SettingsError(
            f"KITH_PROVIDER is {provider}, but ONNX Runtime fell back to {session.get_providers()[0]}.",
            "Check the driver and the CUDA libraries, or set KITH_PROVIDER=cpu.",
        )
    return session


def _check_width(session: onnxruntime.InferenceSession, file: Path, dim: int) -> None:
    width = session.get_outputs()[0].shape[-1]
    if width != dim:
        raise ReleaseError(
            f"{file} gives vectors of {width}, its manifest says {dim}.",
            "Export the release again.",
        )


def _load_errors() -> tuple[type[Exception], ...]:
    state: Any = onnxruntime.capi.onnxruntime_pybind11_state
    return (state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.NoSuchFile)


_LOAD_ERRORS = _load_errors()
