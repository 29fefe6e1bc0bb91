"""Texts to vectors with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from kith.errors import InputError, ReleaseError
from workers.contract import Vectors
from workers.cores import available_cores
from workers.packing import pack
from workers.providers import CPU, LoadedModel, load_model
from workers.release import ATTENTION_MASK, INPUT_IDS, Release

# Prose has 4 to 6 characters a token. Only runs of white space or one endless word have more than this, so the cut
# takes away nothing that would be read, and a text of any length costs milliseconds.
_MAX_CHARS_PER_TOKEN = 32

# What a run's intermediate values need stays near a core's second-level cache; a GPU wants work for all its units.
_CPU_TOKENS, _GPU_TOKENS = 256, 16_384
# While one computes, inputs of others are filled.
_GPU_RUNS = 4


@dataclass(frozen=True, slots=True)
class RunsOn:
    """What embeds, and where. `threads`: runs at a time; `token_budget`: of a run, with padding."""

    model: str
    provider: str
    precision: str
    threads: int
    token_budget: int


class OnnxEmbedder:
    """Implements `workers.contract.Embedder`. Safe to call from several threads.

    Activations are quantized with one scale a run, so a text's vector depends a little on the texts it ran with: on
    `token_budget`, and not on `threads`.

    Args:
        threads: runs at a time; 0 takes as many as there are cores, on a GPU four. The tokenizer, about 5 % of the
            work on a CPU, takes every core.
        token_budget: tokens of a run, padding included; it bounds the memory. 1 runs every text alone, 0 takes what
            suits the provider.
        provider, allow_cpu_fallback: as `workers.providers.load_model`.

    Raises:
        ReleaseError: the graph cannot be loaded, or gives vectors of another length than the manifest says.
        SettingsError, KithError: as `load_model`.
    """

    def __init__(
        self,
        release: Release,
        *,
        threads: int = 0,
        token_budget: int = 0,
        provider: str = CPU,
        allow_cpu_fallback: bool = False,
    ) -> None:
        self._manifest = release.manifest
        self._tokenizer = load_tokenizer(release)
        loaded = load_model(release, provider, allow_cpu_fallback=allow_cpu_fallback)
        _check_width(loaded, release.manifest.dim)
        self._session = loaded.session
        self._runs_on = _runs_on(release, loaded, threads, token_budget)
        self._lanes = ThreadPoolExecutor(self._runs_on.threads, "lane")

    @property
    def dim(self) -> int:
        """See `workers.contract.Embedder.dim`."""
        return self._manifest.dim

    @property
    def model(self) -> str:
        """Name of the release."""
        return self._manifest.name

    @property
    def runs_on(self) -> RunsOn:
        """Where it runs, and how."""
        return self._runs_on

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `workers.contract.Embedder.embed`.

        Raises:
            InputError: a text cannot be encoded (it holds a lone surrogate).
        """
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        encoded = self._encode(texts)

        groups = list(pack([len(encoding) for encoding in encoded], self._runs_on.token_budget))
        left = iter(groups)

        def work_off() -> None:
            # The longest runs come first, so that the lanes end together. Each takes the next one as it ends one.
            for group in left:
                vectors[group] = self._run([encoded[index] for index in group])

        if len(groups) > 1 and self._runs_on.threads > 1:
            for lane in [self._lanes.submit(work_off) for _ in range(min(self._runs_on.threads, len(groups)))]:
                lane.result()
        else:
            work_off()
        return vectors

    def _encode(self, texts: Sequence[str]) -> list[Encoding]:
        most = self._manifest.max_tokens * _MAX_CHARS_PER_TOKEN
        try:
            return list(self._tokenizer.encode_batch_fast([text[:most] for text in texts]))
        except (UnicodeEncodeError, TypeError) as error:
            raise InputError(f"A text cannot be tokenized: {type(error).__name__}.") from error

    def _run(self, group: Sequence[Encoding]) -> Vectors:
        (vectors,) = self._session.run(None, run_inputs(group))
        if not np.isfinite(vectors).all():
            raise InputError("The model gave a vector that is not finite.")
        return np.asarray(vectors, dtype=np.float32)


def run_inputs(group: Sequence[Encoding]) -> dict[str, npt.NDArray[np.int64]]:
    """What a graph takes of a run's texts, the longest first: ids and mask, int64 (texts, tokens of the longest)."""
    ids = np.zeros((len(group), len(group[0])), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, encoding in enumerate(group):
        ids[row, : len(encoding)] = encoding.ids
        mask[row, : len(encoding)] = 1
    return {INPUT_IDS: ids, ATTENTION_MASK: mask}


def load_tokenizer(release: Release) -> Tokenizer:
    """The tokenizer of a release, which cuts texts as the release does and pads none."""
    tokenizer = Tokenizer.from_file(str(release.tokenizer_file))
    tokenizer.no_padding()
    tokenizer.enable_truncation(release.manifest.max_tokens)
    return tokenizer


def _runs_on(release: Release, loaded: LoadedModel, threads: int, token_budget: int) -> RunsOn:
    on_cpu = loaded.provider == CPU
    return RunsOn(
        model=release.manifest.name,
        provider=loaded.provider,
        precision=loaded.precision,
        threads=threads or (available_cores() if on_cpu else _GPU_RUNS),
        token_budget=token_budget or (_CPU_TOKENS if on_cpu else _GPU_TOKENS),
    )


def _check_width(loaded: LoadedModel, dim: int) -> None:
    width = loaded.session.get_outputs()[0].shape[-1]
    if width != dim:
        raise ReleaseError(
            f"{loaded.file} gives vectors of {width}, its manifest says {dim}.",
            "Export the release again.",
        )
