"""Texts embedded per second: how runs are packed, threads, int8 against float32, and the share of the int8 peak.

Every figure includes the tokenizer. CPU time is the base of ratios: it does not see who else uses the machine.

Example: `python -m benchmarks.embedding` or `python -m benchmarks.embedding models/student-v0`
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime
import psutil
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

from benchmarks.environment import describe
from distill.encoder_folder import Array, EncoderConfig
from distill.encoder_graph import build_graph
from distill.synthetic import synthetic_profiles
from distill.taxonomy import load_taxonomy
from workers.embedding import OnnxEmbedder
from workers.release import MODEL_INT8, TOKENIZER, Release, load_release
from workers.render import render

PROFILES = 96
QUESTIONS = 192
ROUNDS = 5
DEFAULT_MODEL = Path("models/student-v0")

# Rows, depth, columns. It stays in the second-level cache: a product of 2048 reaches less, and would flatter the share.
_PRODUCT, _PRODUCT_RUNS = (512, 384, 1536), 100
_INT8_FLAGS = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "asimddp", "i8mm")


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that is timed. `tokens`: of its texts, without padding."""

    name: str
    run: Callable[[], object]
    texts: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds of one case, one entry a round."""

    wall: list[float]
    cpu: list[float]


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a release decides how much it computes."""

    layers: int
    heads: int
    hidden: int
    wide: int
    vocabulary: int
    positions: int

    @property
    def macs_per_token(self) -> int:
        """Multiply-adds of the int8 products; attention scores, a few per cent and in float32, are left out."""
        return self.layers * (4 * self.hidden**2 + 2 * self.hidden * self.wide)


def main() -> None:
    """Measure and print."""
    release = load_release(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_MODEL)
    shape = _shape(release)
    with TemporaryDirectory() as scratch:
        cases = _cases(release, _float_release(release, shape, Path(scratch)))
        peak = Case("int8 product", _int8_product(), 1, 0)
        taken = _measure([*cases, peak])
    print(describe("onnxruntime", "tokenizers", "numpy"))
    print(f"int8:     {' '.join(_instructions())}")
    print(
        f"model:    {release.manifest.name}, {shape.layers} layers of {shape.hidden}; median of {ROUNDS} rounds in turn"
    )
    print(f"profiles: {cases[0].texts}, mean {cases[0].tokens / cases[0].texts:.0f} tokens; ", end="")
    print(f"questions: {cases[-1].texts}, mean {cases[-1].tokens / cases[-1].texts:.0f}")
    _print(cases, taken, shape, 2 * prod(_PRODUCT) * _PRODUCT_RUNS / min(taken[peak.name].cpu) / 1e9)


def _cases(release: Release, exact: Release) -> list[Case]:
    profiles = [render(made.profile) for made in synthetic_profiles(PROFILES, seed=1)]
    questions = [need for occupation in load_taxonomy().occupations for need in occupation.lay_needs][:QUESTIONS]
    tokens, asked = _tokens(release, profiles), _tokens(release, questions)
    cases = []
    for threads in dict.fromkeys((1, psutil.cpu_count() or 1)):
        for budget in (1, 256, 512, 1024):
            run = _packed(release, threads, budget, profiles)
            name = f"{budget} tokens a run" if budget > 1 else "each text alone"
            cases.append(Case(f"int8, {name}, {threads} thread{'s' if threads > 1 else ''}", run, PROFILES, tokens))
    for size in (8, 32):
        name = f"int8, as they come, {size} a run, 1 thread"
        cases.append(Case(name, _as_they_come(release, size, profiles), PROFILES, tokens))
    cases.append(Case("float32, 512 tokens a run, 1 thread", _packed(exact, 1, 512, profiles), PROFILES, tokens))
    for budget, name in ((1, "questions alone"), (512, "questions, 512 tokens a run")):
        run = _packed(release, 1, budget, questions)
        cases.append(Case(f"int8, {name}, 1 thread", run, len(questions), asked))
    return cases


def _packed(release: Release, threads: int, budget: int, texts: Sequence[str]) -> Callable[[], object]:
    embedder = OnnxEmbedder(release, threads=threads, token_budget=budget)
    return lambda: embedder.embed(texts)


def _as_they_come(release: Release, size: int, texts: Sequence[str]) -> Callable[[], object]:
    """The plain way: batches in order of arrival, each padded to its longest text."""
    tokenizer = Tokenizer.from_file(str(release.tokenizer_file))
    tokenizer.enable_truncation(release.manifest.max_tokens)
    tokenizer.enable_padding()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(release.model_file), options, providers=["CPUExecutionProvider"])

    def run() -> None:
        for start in range(0, len(texts), size):
            batch = tokenizer.encode_batch_fast(list(texts[start : start + size]))
            ids = np.array([encoding.ids for encoding in batch])
            mask = np.array([encoding.attention_mask for encoding in batch])
            session.run(None, {"input_ids": ids, "attention_mask": mask})

    return run


def _measure(cases: Sequence[Case]) -> dict[str, Taken]:
    taken = {case.name: Taken([], []) for case in cases}
    for case in cases:
        case.run()
    for _ in range(ROUNDS):
        for case in cases:
            wall, cpu = time.perf_counter(), time.process_time()
            case.run()
            taken[case.name].cpu.append(time.process_time() - cpu)
            taken[case.name].wall.append(time.perf_counter() - wall)
    return taken


def _print(cases: Sequence[Case], taken: dict[str, Taken], shape: Shape, peak: float) -> None:
    print(f"{'case':44} {'texts/s':>8} {'texts/cpu-s':>12} {'(range)':>16} {'share of peak':>14}")
    rates = {}
    for case in cases:
        wall, cpu = taken[case.name].wall, taken[case.name].cpu
        rates[case.name] = case.texts / median(cpu)
        spread = f"({case.texts / max(cpu):.1f}-{case.texts / min(cpu):.1f})"
        share = 2 * case.tokens * shape.macs_per_token / median(cpu) / 1e9 / peak
        shown = f"{share:14.0%}" if case.name.startswith("int8") else f"{'-':>14}"
        print(f"{case.name:44} {case.texts / median(wall):8.1f} {rates[case.name]:12.1f} {spread:>16} {shown}")
    print(f"peak, best int8 product of {' x '.join(map(str, _PRODUCT))}, 1 thread: {peak:.0f} GOPS")
    ours, exact = "int8, 512 tokens a run, 1 thread", "float32, 512 tokens a run, 1 thread"
    print(f"int8 to float32: {rates[ours] / rates[exact]:.2f}x")


def _tokens(release: Release, texts: Sequence[str]) -> int:
    tokenizer = Tokenizer.from_file(str(release.tokenizer_file))
    tokenizer.enable_truncation(release.manifest.max_tokens)
    return sum(len(encoding) for encoding in tokenizer.encode_batch_fast(list(texts)))


def _shape(release: Release) -> Shape:
    graph = onnx.load(release.model_file).graph
    sizes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    attention = [node for node in graph.node if node.op_type == "QAttention"]
    heads = next(helper.get_attribute_value(a) for a in attention[0].attribute if a.name == "num_heads")
    vocabulary, hidden = sizes["embeddings.word_embeddings.weight_quantized"]
    wide = sizes["encoder.layer.0.intermediate.dense.weight.T_quantized"][1]
    positions = sizes["embeddings.positions_quantized"][0]
    return Shape(len(attention), heads, hidden, wide, vocabulary, positions)


def _float_release(release: Release, shape: Shape, folder: Path) -> Release:
    """The same encoder in float32 with random weights: their values do not change how much is computed."""
    config = EncoderConfig.model_validate(
        {
            "model_type": "bert",
            "hidden_act": "gelu",
            "hidden_size": shape.hidden,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "layer_norm_eps": 1e-12,
            "max_position_embeddings": shape.positions,
            "vocab_size": shape.vocabulary,
        }
    )
    (folder / MODEL_INT8).write_bytes(build_graph(config, _random_weights(shape)).SerializeToString())
    shutil.copy(release.tokenizer_file, folder / TOKENIZER)
    return Release(folder, release.manifest)


def _random_weights(shape: Shape) -> dict[str, Array]:
    h, wide = shape.hidden, shape.wide
    sizes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (shape.vocabulary, h),
        "embeddings.position_embeddings.weight": (shape.positions, h),
        "embeddings.token_type_embeddings.weight": (2, h),
        "embeddings.LayerNorm.weight": (h,),
    }
    for layer in range(shape.layers):
        prefix = f"encoder.layer.{layer}"
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            sizes[f"{prefix}.{part}.weight"] = (h, h)
        sizes |= {f"{prefix}.intermediate.dense.weight": (wide, h), f"{prefix}.output.dense.weight": (h, wide)}
        sizes |= {f"{prefix}.attention.output.LayerNorm.weight": (h,), f"{prefix}.output.LayerNorm.weight": (h,)}
    random = np.random.default_rng(0)
    weights = {name: random.normal(0, 0.05, size).astype(np.float32) for name, size in sizes.items()}
    # A layer's bias has one number for each row of its weight; the graph takes those that it needs.
    biases = {
        name.removesuffix("weight") + "bias": np.zeros(weight.shape[0], dtype=np.float32)
        for name, weight in weights.items()
    }
    return weights | biases


def _int8_product() -> Callable[[], object]:
    """What one core does at best with ONNX Runtime's own int8 product: the limit that embedding runs against."""
    rows, depth, columns = _PRODUCT
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
    return lambda: [session.run(None, {"a": left}) for _ in range(_PRODUCT_RUNS)]


def _instructions() -> list[str]:
    """Instructions that matter to int8, as Linux names them; empty elsewhere."""
    info = Path("/proc/cpuinfo")
    words = set(info.read_text().split()) if info.is_file() else set()
    return [flag for flag in _INT8_FLAGS if flag in words]


if __name__ == "__main__":
    main()
