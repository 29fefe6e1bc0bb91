"""Profiles embedded per second: packing against naive batches, one thread against all, and the share of int8 peak.

Example: `python -m benchmarks.embedding`
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np
import onnx
import onnxruntime
import psutil
from onnx import TensorProto, helper
from tokenizers import Tokenizer

from benchmarks.environment import describe
from distill.synthetic import synthetic_profiles
from workers.embedding import OnnxEmbedder
from workers.release import Release, load_release
from workers.render import render

TEXTS = 192
ROUNDS = 5
MODEL = Path("models/student-v0")

# Multiply-adds of one token in all layers of all-MiniLM-L6-v2, attention scores left out: 6 layers x 12 x 384^2.
_MACS_PER_TOKEN = 6 * 12 * 384 * 384


def main() -> None:
    """Measure and print."""
    release = load_release(MODEL)
    texts = [render(made.profile) for made in islice(synthetic_profiles(TEXTS, seed=1), TEXTS)]
    tokenizer = Tokenizer.from_file(str(release.tokenizer_file))
    tokens = [min(len(tokenizer.encode(text)), release.manifest.max_tokens) for text in texts]
    cases = _cases(release, texts)
    cases["int8 matrix product, 1 thread"] = _int8_product()
    wall: dict[str, list[float]] = {name: [] for name in cases}
    cpu: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, case in cases.items():
            started, used = time.perf_counter(), time.process_time()
            case()
            wall[name].append(time.perf_counter() - started)
            cpu[name].append(time.process_time() - used)
    print(describe("onnxruntime", "tokenizers"))
    print(f"texts:    {TEXTS} profiles, mean {np.mean(tokens):.0f} tokens (at most {max(tokens)}); median of {ROUNDS}")
    _print(wall, cpu, sum(tokens))


def _cases(release: Release, texts: list[str]) -> dict[str, Callable[[], object]]:
    cases: dict[str, Callable[[], object]] = {}
    for threads in (1, psutil.cpu_count() or 1):
        for budget in (256, 512, 1024, 2048):
            embedder = OnnxEmbedder(release, threads=threads, token_budget=budget)
            cases[f"packed, {budget} tokens a run, {threads} threads"] = lambda e=embedder: e.embed(texts)  # type: ignore[misc]
    return cases


def _print(wall: dict[str, list[float]], cpu: dict[str, list[float]], tokens: int) -> None:
    product = "int8 matrix product, 1 thread"
    peak = _PRODUCT_MACS * 2 / median(cpu.pop(product)) / 1e9
    print(f"{'case':38} {'texts/s':>8} {'texts/cpu-s':>12} {'share of peak':>14}")
    for name, used in cpu.items():
        per_s, per_cpu = TEXTS / median(wall[name]), TEXTS / median(used)
        share = tokens * _MACS_PER_TOKEN * 2 / median(used) / 1e9 / peak
        print(f"{name:38} {per_s:8.1f} {per_cpu:12.1f} {share:13.0%}")
    print(f"{product}: {peak:.0f} GOPS")


_PRODUCT_SIZE, _PRODUCT_RUNS = 1024, 20
_PRODUCT_MACS = _PRODUCT_SIZE**3 * _PRODUCT_RUNS


def _int8_product() -> Callable[[], object]:
    """What this processor does at best with ONNX Runtime's own int8 product: the limit that embedding runs against."""
    shape = [_PRODUCT_SIZE, _PRODUCT_SIZE]
    weight = np.random.default_rng(0).integers(-127, 127, shape, dtype=np.int8)
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["a", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("a", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("y", TensorProto.INT32, shape)],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    left = np.random.default_rng(1).integers(0, 255, shape, dtype=np.uint8)
    return lambda: [session.run(None, {"a": left}) for _ in range(_PRODUCT_RUNS)]


if __name__ == "__main__":
    main()
