"""Where a model runs: the graph of a release, loaded for the provider that was asked for, or an error that says why.

Where a GPU or its libraries are missing, ONNX Runtime goes on with the CPU without a word; here that has to be allowed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import onnxruntime
import structlog

from kith.errors import KithError, ReleaseError, SettingsError
from workers.release import MODEL_FP16, Release

log = structlog.get_logger(__name__)

CPU = "cpu"
# What TensorRT does not take of a graph, CUDA does.
PROVIDERS = {
    CPU: ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider",),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
}

# On CPUs. The fused skip-and-norm node takes six times as long there as the two that it replaces.
SLOWER_FUSIONS = ["SkipLayerNormFusion"]
# Each installs the package onnxruntime, over the other's files.
_RUNTIMES = ("onnxruntime", "onnxruntime-gpu")


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A graph, ready to run; `provider` is the one that really runs it, a key of `PROVIDERS`."""

    session: onnxruntime.InferenceSession
    provider: str
    file: Path

    @property
    def precision(self) -> str:
        """What its products are computed in."""
        return "float16" if self.file.name == MODEL_FP16 else "int8"


def load_model(release: Release, provider: str, *, allow_cpu_fallback: bool = False) -> LoadedModel:
    """Load the graph that `provider` runs: float16 on a GPU, int8 on the CPU.

    Args:
        allow_cpu_fallback: whether the CPU will do, with a warning, where the provider or its graph is not there.

    Raises:
        ReleaseError: the graph cannot be loaded; the release has none for a GPU.
        SettingsError: the provider is unknown, or not there.
        KithError: two builds of ONNX Runtime are installed over each other.
    """
    refuse_two_runtimes()
    if provider not in PROVIDERS:
        raise SettingsError(f"KITH_PROVIDER is {provider}.", f"Set it to one of {', '.join(PROVIDERS)}.")
    lacking = _lacking(release, provider, onnxruntime.get_available_providers())
    if lacking is None:
        loaded = _load(release.model_file(provider), provider)
        runs = loaded.session.get_providers()[0]
        if runs == PROVIDERS[provider][0]:
            return loaded
        lacking = SettingsError(
            f"KITH_PROVIDER is {provider}, but ONNX Runtime fell back to {runs}.",
            "Check the driver and the CUDA libraries, or set KITH_PROVIDER=cpu.",
        )
    if not allow_cpu_fallback:
        raise lacking
    log.warning("the model runs on the CPU", wanted=provider, reason=lacking.message)
    return _load(release.model_file(CPU), CPU)


def refuse_two_runtimes(installed: Collection[str] | None = None) -> None:
    """Nothing where one build of ONNX Runtime is installed.

    Args:
        installed: names of distributions; None looks.

    Raises:
        KithError: both are; which one runs is chance, and it may not even load.
    """
    found = [name for name in _RUNTIMES if (_is_installed(name) if installed is None else name in installed)]
    if len(found) > 1:
        raise KithError(
            f"{' and '.join(found)} are both installed, and each overwrites files of the other.",
            f"`pip uninstall {' '.join(found)}`, then install kith[cpu] or kith[gpu] and not both.",
        )


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _lacking(release: Release, provider: str, available: Collection[str]) -> KithError | None:
    """What keeps the release from running there, as far as it can be told before loading it."""
    if PROVIDERS[provider][0] not in available:
        return SettingsError(
            f"KITH_PROVIDER is {provider}, but ONNX Runtime here has only {', '.join(available)}.",
            "Install the matching extra (kith[gpu]) on a machine with that device, or set KITH_PROVIDER=cpu.",
        )
    # Not every int8 operator has a kernel on GPUs: parts of the graph would run on the CPU after all.
    if provider != CPU and MODEL_FP16 not in release.manifest.files:
        return ReleaseError(
            f"KITH_PROVIDER is {provider}, but {release.folder} has no {MODEL_FP16}, which GPUs run.",
            f"Make one with it: `kith distill half --model {release.folder} --release {release.manifest.name}-gpu`.",
        )
    return None


def session_options() -> onnxruntime.SessionOptions:
    """How a model runs; what was measured and left alone is in docs/decisions/0019-embedding-at-the-limit.md."""
    options = onnxruntime.SessionOptions()
    # One thread a run: runs beside each other use the cores better than threads within one.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # A pattern is kept for every shape of input, and most runs have a new one; the arena alone stays flat.
    options.enable_mem_pattern = False
    return options


def _load(file: Path, provider: str) -> LoadedModel:
    if provider != CPU:
        # CUDA's libraries that came as Python packages are on no path that the loader searches.
        onnxruntime.preload_dlls()
    on, options, disabled = list(PROVIDERS[provider]), session_options(), SLOWER_FUSIONS if provider == CPU else []
    try:
        session = onnxruntime.InferenceSession(str(file), options, providers=on, disabled_optimizers=disabled)
    except _LOAD_ERRORS as error:
        raise ReleaseError(f"{file} cannot be loaded: {error}.", "Export the release again.") from error
    return LoadedModel(session, provider, file)


def _load_errors() -> tuple[type[Exception], ...]:
    state: Any = onnxruntime.capi.onnxruntime_pybind11_state
    return (state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.NoSuchFile)


_LOAD_ERRORS = _load_errors()
