"""A release on a GPU: texts a second by the tokens of a run, and the share of the most that it computes in float16."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from benchmarks.timing import Case, Taken
from workers.embedding import OnnxEmbedder
from workers.providers import PROVIDERS
from workers.release import Release

BUDGETS = (2_048, 8_192, 16_384, 65_536, 262_144)
_SIDE, _RUNS = 8192, 20
_DEVICE = "cuda"


def gpu_cases(release: Release, provider: str, texts: Sequence[str], tokens: int) -> list[Case]:
    """The same texts at several token budgets.

    Raises:
        kith.errors.KithError: the provider is not there, or the release has no graph for it.
    """
    cases = []
    for budget in BUDGETS:
        embedder = OnnxEmbedder(release, provider=provider, token_budget=budget)
        cases.append(Case(f"{budget:,} tokens a run", _embeds(embedder, texts), len(texts), tokens))
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


def half_peak(taken: Taken) -> float:
    """Operations a second, from the fastest round of `half_peak_case`."""
    return 2 * _SIDE**3 * _RUNS / min(taken.wall)


def _embeds(embedder: OnnxEmbedder, texts: Sequence[str]) -> Callable[[], object]:
    return lambda: embedder.embed(texts)
