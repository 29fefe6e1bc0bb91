"""The ONNX graph of a BERT-type sentence encoder, built node by node from its weights; no torch.

Pooling and normalisation are inside the graph; the nodes are those that run fastest on CPUs
(docs/decisions/0005-onnx-graph-built-directly.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from distill.encoder_folder import Array, EncoderConfig
from kith.errors import InputError
from workers.release import ATTENTION_MASK, INPUT_IDS

OPSET = 17
EMBEDDING = "embedding"

_MICROSOFT = "com.microsoft"
_HIDDEN = "padding_hidden"
_FAR_BELOW = 1e4


def build_graph(config: EncoderConfig, weights: dict[str, Array]) -> onnx.ModelProto:
    """The float32 graph.

    Inputs: `input_ids`, `attention_mask`: int64 (batch, sequence). Output: `embedding`, float32 (batch, hidden), of
    unit L2 length: the mean of the token states that the mask marks, or the last layer's state for that mean.

    Raises:
        InputError: a weight that the configuration asks for is missing.
    """
    try:
        return _Builder(config, weights).model()
    except KeyError as error:
        raise InputError(
            f"The encoder has no weight {error}.", "Is it a BERT encoder with as many layers as it says?"
        ) from error


class _Builder:
    def __init__(self, config: EncoderConfig, weights: dict[str, Array]) -> None:
        self._config = config
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def model(self) -> onnx.ModelProto:
        self._hide_padding()
        state = self._embeddings()
        pooled_layer = self._config.layers - 1 if self._config.pooling == "last_layer" else self._config.layers
        for layer in range(pooled_layer):
            state = self._layer(state, state, f"encoder.layer.{layer}")
        self._pool(state, pooled_layer)
        graph = helper.make_graph(
            self._nodes,
            "sentence_encoder",
            [_tensor(INPUT_IDS, TensorProto.INT64), _tensor(ATTENTION_MASK, TensorProto.INT64)],
            [helper.make_tensor_value_info(EMBEDDING, TensorProto.FLOAT, ["batch", self._config.hidden])],
            self._constants,
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(_MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="kith")

    def _embeddings(self) -> str:
        prefix = "embeddings."
        # Texts are single segments: the first segment's vector joins every position's.
        positions = self._weights[f"{prefix}position_embeddings.weight"]
        segment = self._weights[f"{prefix}token_type_embeddings.weight"][0]
        inputs = [
            self._node("Cast", [INPUT_IDS], "ids_int32", to=TensorProto.INT32),
            "",
            self._weight(f"{prefix}word_embeddings.weight"),
            self._constant(f"{prefix}positions", positions + segment),
            "",
            self._weight(f"{prefix}LayerNorm.weight"),
            self._weight(f"{prefix}LayerNorm.bias"),
        ]
        node = helper.make_node(
            "EmbedLayerNormalization",
            inputs,
            ["embedded", "embedded_mask_index"],
            "embeddings",
            domain=_MICROSOFT,
            epsilon=self._config.epsilon,
        )
        self._nodes.append(node)
        return "embedded"

    def _layer(self, asking: str, state: str, prefix: str) -> str:
        """One layer for the positions `asking`, which attend to `state`; usually every position asks."""
        attended = self._attention(asking, state, f"{prefix}.attention.self")
        projected = self._matmul(attended, f"{prefix}.attention.output.dense")
        middle = self._add_and_norm(projected, asking, f"{prefix}.attention.output")
        wide = self._matmul(middle, f"{prefix}.intermediate.dense")
        bias = self._weight(f"{prefix}.intermediate.dense.bias")
        wide = self._node("BiasGelu", [wide, bias], f"{prefix}.gelu", domain=_MICROSOFT)
        narrow = self._matmul(wide, f"{prefix}.output.dense")
        return self._add_and_norm(narrow, middle, f"{prefix}.output")

    def _attention(self, asking: str, state: str, prefix: str) -> str:
        # Plain products instead of the fused attention node, which takes twice their time on CPUs.
        if asking == state:
            query, key, value = self._projected(state, prefix, ("query", "key", "value"))
        else:
            (query,) = self._projected(asking, prefix, ("query",))
            key, value = self._projected(state, prefix, ("key", "value"))
        by_head, turned = [0, 2, 1, 3], [0, 2, 3, 1]
        scores = self._node("MatMul", [self._by_head(query, by_head), self._by_head(key, turned)], f"{prefix}.scores")
        masked = self._node("Add", [scores, _HIDDEN], f"{prefix}.masked")
        shares = self._node("Softmax", [masked], f"{prefix}.shares", axis=-1)
        mixed = self._node("MatMul", [shares, self._by_head(value, by_head)], f"{prefix}.mixed")
        back = self._node("Transpose", [mixed], f"{prefix}.back", perm=by_head)
        joined = self._constant("joined", np.array([0, -1, self._config.hidden], dtype=np.int64))
        return self._node("Reshape", [back, joined], prefix)

    def _projected(self, state: str, prefix: str, parts: tuple[str, ...]) -> list[str]:
        """The state times the weights of the parts, as one product."""
        weights, biases = [], []
        for part in parts:
            # The scale of the scores goes into the query.
            scale = (self._config.hidden // self._config.heads) ** -0.5 if part == "query" else 1.0
            weights.append(self._weights[f"{prefix}.{part}.weight"].T * np.float32(scale))
            biases.append(self._weights[f"{prefix}.{part}.bias"] * np.float32(scale))
        name = f"{prefix}.{'_'.join(parts)}"
        weight = self._constant(f"{name}.weight", np.concatenate(weights, axis=1))
        product = self._node("MatMul", [state, weight], f"{name}.product")
        summed = self._node("Add", [product, self._constant(f"{name}.bias", np.concatenate(biases))], name)
        if len(parts) == 1:
            return [summed]
        split = [f"{prefix}.{part}" for part in parts]
        self._nodes.append(helper.make_node("Split", [summed], split, f"{name}.split", axis=-1))
        return split

    def _by_head(self, projected: str, order: list[int]) -> str:
        heads = self._config.heads
        shape = self._constant("by_head", np.array([0, -1, heads, self._config.hidden // heads], dtype=np.int64))
        split = self._node("Reshape", [projected, shape], f"{projected}.heads")
        return self._node("Transpose", [split], f"{projected}.by_head", perm=order)

    def _add_and_norm(self, branch: str, state: str, prefix: str) -> str:
        biased = self._node("Add", [branch, self._weight(f"{prefix}.dense.bias")], f"{prefix}.biased")
        summed = self._node("Add", [biased, state], f"{prefix}.summed")
        inputs = [summed, self._weight(f"{prefix}.LayerNorm.weight"), self._weight(f"{prefix}.LayerNorm.bias")]
        # Not the fused skip-and-norm node: it takes six times as long on CPUs.
        return self._node("LayerNormalization", inputs, f"{prefix}.normed", epsilon=self._config.epsilon, axis=-1)

    def _matmul(self, state: str, prefix: str) -> str:
        weight = self._constant(f"{prefix}.weight.T", np.ascontiguousarray(self._weights[f"{prefix}.weight"].T))
        return self._node("MatMul", [state, weight], f"{prefix}.product")

    def _hide_padding(self) -> None:
        """What is added to scores, float32 (batch, 1, 1, sequence): 0 for tokens, far below any score for padding."""
        mask = self._node("Cast", [ATTENTION_MASK], "mask", to=TensorProto.FLOAT)
        below = self._node("Sub", [mask, self._constant("one", np.array(1, dtype=np.float32))], "mask.below")
        far = self._node("Mul", [below, self._constant("far", np.array(_FAR_BELOW, dtype=np.float32))], "mask.far")
        axes = self._constant("mask.axes", np.array([1, 2], dtype=np.int64))
        self._node("Unsqueeze", [far, axes], _HIDDEN)

    def _pool(self, state: str, pooled_layer: int) -> None:
        axis = self._constant("pool.axis", np.array([1], dtype=np.int64))
        row = self._node("Unsqueeze", ["mask", axis], "pool.row")
        pooled = self._node("MatMul", [row, state], "pool.sum")
        if pooled_layer < self._config.layers:
            last = self._constant("pool.last", np.array([-1], dtype=np.int64))
            tokens = self._node("ReduceSum", [row, last], "pool.tokens", keepdims=1)
            mean = self._node("Div", [pooled, tokens], "pool.mean")
            pooled = self._layer(mean, state, f"encoder.layer.{pooled_layer}")
        # A sum has the direction of the mean, and the length is taken away in any case.
        flat = self._node("Squeeze", [pooled, axis], "pool.flat")
        self._nodes.append(helper.make_node("LpNormalization", [flat], [EMBEDDING], "pool.unit", axis=-1, p=2))

    def _node(self, op: str, inputs: list[str], output: str, domain: str = "", **attributes: Any) -> str:
        self._nodes.append(helper.make_node(op, inputs, [output], output, domain=domain, **attributes))
        return output

    def _weight(self, name: str) -> str:
        return self._constant(name, self._weights[name])

    def _constant(self, name: str, value: npt.NDArray[Any]) -> str:
        if all(held.name != name for held in self._constants):
            self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name


def _tensor(name: str, kind: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, ["batch", "sequence"])
