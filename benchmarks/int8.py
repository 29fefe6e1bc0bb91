"""How much a release computes, and the most that one core can compute in int8."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import prod
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.timing import Case, Taken
from workers.release import Release

# Rows, depth, columns. It stays in the second-level cache: a product of 2048 reaches less, and would flatter the share.
PRODUCT = (512, 384, 1536)
_RUNS = 100
_FLAGS = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "asimddp", "i8mm")
_INT8 = "weight_quantized", "weight.T_quantized"
_QUERY = ".attention.self.query.weight_quantized"
_KEY_VALUE = ".attention.self.key_value.weight_quantized"


class Work:
    """Multiply-adds of a release's int8 products; attention scores, a few per cent and in float32, are left out.

    A layer that is computed for the pooled position only has keys and values for every token, and the rest once a text.
    """

    def __init__(self, release: Release) -> None:
        graph = onnx.load(release.model_file()).graph
        self.sizes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
        products = {n: prod(s) for n, s in self.sizes.items() if n.startswith("encoder.layer.") and n.endswith(_INT8)}
        pooled = {name.removesuffix(_QUERY) for name in products if name.endswith(_QUERY)}
        self.layers = len({name.split(".")[2] for name in products})
        self.per_text: int = sum(m for n, m in products.items() if _layer(n) in pooled and not n.endswith(_KEY_VALUE))
        self.per_token: int = sum(products.values()) - self.per_text

    def operations(self, texts: int, tokens: int) -> int:
        """Multiplications and additions."""
        return 2 * (texts * self.per_text + tokens * self.per_token)


def peak_case(cores: int = 1) -> Case:
    """ONNX Runtime's own int8 product on each core, beside each other: the limit that embedding runs against."""
    product, pool = _product(), ThreadPoolExecutor(cores)

    def everywhere() -> None:
        list(pool.map(lambda _core: product(), range(cores)))

    return Case(f"int8 product, {cores} core{'s'[: cores - 1]}", everywhere, 1, 0, cores)


def peak(taken: Taken, cores: int = 1) -> float:
    """Operations a second of all cores together, from the fastest round of `peak_case`."""
    return 2 * prod(PRODUCT) * _RUNS * cores / min(taken.wall)


def instructions() -> list[str]:
    """Instructions that matter to int8, as Linux names them; empty elsewhere."""
    info = Path("/proc/cpuinfo")
    words = set(info.read_text().split()) if info.is_file() else set()
    return [flag for flag in _FLAGS if flag in words]


def _layer(name: str) -> str:
    return ".".join(name.split(".")[:3])


def _product() -> Callable[[], object]:
    rows, depth, columns = PRODUCT
    weight = np.random.default_rng(0).integers(-127, 127, (depth, columns), dtype=np.int8)
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["a", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("a", TensorProto.UINT8, [rows, depth])],
        [helper.make_tensor_value_info("y", TensorProto.INT32, [rows, columns])],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    left = np.random.default_rng(1).integers(0, 255, (rows, depth), dtype=np.uint8)
    return lambda: [session.run(None, {"a": left}) for _ in range(_RUNS)]
