"""The ONNX graph of a BERT-type sentence encoder, built node by node from its weights; no torch.

Pooling and normalisation are inside the graph. The nodes are ONNX Runtime's fused ones, so that the quantizer finds
whole attention blocks (docs/decisions/0005-onnx-graph-built-directly.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from distill.encoder_folder import Array, EncoderConfig
from kith.errors import InputError

OPSET = 17
INPUT_IDS, ATTENTION_MASK, EMBEDDING = "input_ids", "attention_mask", "embedding"

_MICROSOFT = "com.microsoft"


def build_graph(config: EncoderConfig, weights: dict[str, Array]) -> onnx.ModelProto:
    """The float32 graph.

    Inputs: `input_ids`, `attention_mask`: int64 (batch, sequence). Output: `embedding`, float32 (batch, hidden), the
    mean of the token states that the mask marks, of unit L2 length.

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
        mask = self._node("Cast", [ATTENTION_MASK], "mask_int32", to=TensorProto.INT32)
        state = self._embeddings()
        for layer in range(self._config.layers):
            state = self._layer(state, mask, f"encoder.layer.{layer}")
        self._pool(state)
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

    def _layer(self, state: str, mask: str, prefix: str) -> str:
        attended = self._attention(state, mask, f"{prefix}.attention.self")
        projected = self._matmul(attended, f"{prefix}.attention.output.dense")
        state = self._add_and_norm(projected, state, f"{prefix}.attention.output")
        wide = self._matmul(state, f"{prefix}.intermediate.dense")
        bias = self._weight(f"{prefix}.intermediate.dense.bias")
        wide = self._node("BiasGelu", [wide, bias], f"{prefix}.gelu", domain=_MICROSOFT)
        narrow = self._matmul(wide, f"{prefix}.output.dense")
        return self._add_and_norm(narrow, state, f"{prefix}.output")

    def _attention(self, state: str, mask: str, prefix: str) -> str:
        parts = ("query", "key", "value")
        weight = np.concatenate([self._weights[f"{prefix}.{part}.weight"].T for part in parts], axis=1)
        bias = np.concatenate([self._weights[f"{prefix}.{part}.bias"] for part in parts])
        inputs = [
            state,
            self._constant(f"{prefix}.qkv.weight", weight),
            self._constant(f"{prefix}.qkv.bias", bias),
            mask,
        ]
        return self._node("Attention", inputs, prefix, domain=_MICROSOFT, num_heads=self._config.heads)

    def _add_and_norm(self, branch: str, state: str, prefix: str) -> str:
        inputs = [
            branch,
            state,
            self._weight(f"{prefix}.LayerNorm.weight"),
            self._weight(f"{prefix}.LayerNorm.bias"),
            self._weight(f"{prefix}.dense.bias"),
        ]
        return self._node(
            "SkipLayerNormalization", inputs, f"{prefix}.normed", domain=_MICROSOFT, epsilon=self._config.epsilon
        )

    def _matmul(self, state: str, prefix: str) -> str:
        weight = self._constant(f"{prefix}.weight.T", np.ascontiguousarray(self._weights[f"{prefix}.weight"].T))
        return self._node("MatMul", [state, weight], f"{prefix}.product")

    def _pool(self, state: str) -> None:
        # The sum has the direction of the mean, and the length is taken away in any case.
        mask = self._node("Cast", [ATTENTION_MASK], "mask_float", to=TensorProto.FLOAT)
        axis = self._constant("pool.axis", np.array([1], dtype=np.int64))
        row = self._node("Unsqueeze", [mask, axis], "pool.row")
        summed = self._node("MatMul", [row, state], "pool.sum")
        flat = self._node("Squeeze", [summed, axis], "pool.flat")
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
