"""A release on a GPU: the whole embedder, its parts by themselves, and the most that the GPU computes in float16."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnx import TensorProto, helper

from benchmarks.timing import Case, Taken
from workers.embedding import OnnxEmbedder, load_tokenizer, run_inputs
from workers.packing import pack
from workers.providers import PROVIDERS, load_model
from workers.release import Release

BUDGETS = (4_096, 16_384, 65_536, 262_144)
RUNS_AT_A_TIME = (1, 2, 4)
# What an indexer embeds at once (KITH_BATCH_MAX_RECORDS).
BATCH = 256
_SIDE, _RUNS = 8192, 20
_DEVICE = "cuda"


@dataclass(frozen=True, slots=True)
class GpuTexts:
    """What is embedded. `tokens`: of all, without padding."""

    texts: Sequence[str]
    tokens: int

    def case(self, name: str, run: Callable[[], object]) -> Case:
        """A case of all texts."""
        return Case(name, run, len(self.texts), self.tokens)


def gpu_cases(release: Release, provider: str, given: GpuTexts) -> list[Case]:
    """The same texts at several token budgets and runs at a time, all at once and in an indexer's batches.

    Raises:
        kith.errors.KithError: the provider is not there, or the release has no graph for it.
    """
    cases = []
    for runs in RUNS_AT_A_TIME:
        for budget in BUDGETS:
            embedder = OnnxEmbedder(release, provider=provider, threads=runs, token_budget=budget)
            at_a_time = f"{budget:,} tokens a run, {runs} at a time"
            cases.append(given.case(at_a_time, _embeds(embedder, given.texts, len(given.texts))))
            cases.append(given.case(f"{at_a_time}, batches of {BATCH}", _embeds(embedder, given.texts, BATCH)))
    return cases


def tokenizer_case(release: Release, given: GpuTexts) -> Case:
    """The tokenizer by itself, on every core."""
    tokenizer, texts = load_tokenizer(release), list(given.texts)
    return given.case("the tokenizer alone", lambda: tokenizer.encode_batch_fast(texts))


def model_cases(release: Release, provider: str, given: GpuTexts) -> list[Case]:
    """The model by itself, its inputs made before; copies to the GPU and back are in it.

    Raises:
        kith.errors.KithError: as `gpu_cases`.
    """
    encoded = load_tokenizer(release).encode_batch_fast(list(given.texts))
    session, lengths = load_model(release, provider).session, [len(one) for one in encoded]
    cases = []
    for budget in BUDGETS:
        inputs = [run_inputs([encoded[index] for index in group]) for group in pack(lengths, budget)]
        cases.append(given.case(f"the model alone, {budget:,} tokens a run", _runs(session, inputs)))
    return cases


def half_peak_case(provider: str) -> Case:
    """ONNX Runtime's own float16 product, on matrices that stay on the device."""
    sides = [_SIDE, _SIDE]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["a", "b"], ["y"])],
        "product",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT16, sides) for name in ("a", "b")],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT16, sides)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=list(PROVIDERS[provider]))
    binding, random = session.io_binding(), np.random.default_rng(0)
    for name in ("a", "b"):
        matrix = random.standard_normal(sides, dtype=np.float32).astype(np.float16)
        binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(matrix, _DEVICE, 0))
    binding.bind_output("y", _DEVICE)

    def products() -> None:
        for _ in range(_RUNS):
            session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return Case("float16 product", products, 1, 0)


def gpu_name() -> str:
    """As the driver names it, with its version; empty where there is no driver to ask."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ""
    asked = [tool, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603 - the arguments are ours


def half_peak(taken: Taken) -> float:
    """Operations a second, from the fastest round of `half_peak_case`."""
    return 2 * _SIDE**3 * _RUNS / min(taken.wall)


def _embeds(embedder: OnnxEmbedder, texts: Sequence[str], batch: int) -> Callable[[], object]:
    batches = [texts[begin : begin + batch] for begin in range(0, len(texts), batch)]
    return lambda: [embedder.embed(one) for one in batches]


def _runs(
    session: onnxruntime.InferenceSession, inputs: Sequence[dict[str, npt.NDArray[np.int64]]]
) -> Callable[[], object]:
    return lambda: [session.run(None, one) for one in inputs]
