"""int8 graph to float32, with the weights that its int8 ones stand for: for what runs no int8."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from kith.errors import InputError

_EMBED, _EMBED_QUANTIZED = "EmbedLayerNormalization", "QEmbedLayerNormalization"
_PRODUCT, _QUANTIZE = "MatMulInteger", "DynamicQuantizeLinear"
# Inputs of QEmbedLayerNormalization: the quantized ones, their scales and their zero points have the same order.
_TABLES, _SCALES, _ZERO_POINTS, _MASK = slice(2, 7), slice(8, 13), slice(13, 18), 7

_Nodes = Mapping[str, onnx.NodeProto]


def dequantize(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph in float32: (integer - zero point) * scale for each weight, and activations are not rounded.

    Args:
        model: of `distill.quantize.quantize_int8`.

    Raises:
        InputError: it holds an int8 node that is none of those.
    """
    return _Dequantizer(model).model()


class _Dequantizer:
    def __init__(self, model: onnx.ModelProto) -> None:
        self._given = model
        self._held = {tensor.name: tensor for tensor in model.graph.initializer}
        self._made_by: _Nodes = {name: node for node in model.graph.node for name in node.output}
        self._read_by: _Nodes = {name: node for node in model.graph.node for name in node.input}
        self._weights: dict[str, npt.NDArray[np.float32]] = {}

    def model(self) -> onnx.ModelProto:
        nodes = list(self._nodes())
        used = {name for node in nodes for name in node.input}
        kept = [tensor for name, tensor in self._held.items() if name in used]
        made = [numpy_helper.from_array(weight, name) for name, weight in self._weights.items()]
        given = self._given.graph
        graph = helper.make_graph(nodes, given.name, given.input, given.output, [*kept, *made])
        return helper.make_model(
            graph,
            opset_imports=self._given.opset_import,
            ir_version=self._given.ir_version,
            producer_name=self._given.producer_name,
        )

    def _nodes(self) -> Iterator[onnx.NodeProto]:
        products = {self._result(node): node for node in self._given.graph.node if node.op_type == _PRODUCT}
        dropped = {id(node) for product in products.values() for node in self._around(product)}
        for node in self._given.graph.node:
            product = products.get(node.output[0])
            if product is not None:
                yield self._product(product, node.output[0])
            elif node.op_type == _EMBED_QUANTIZED:
                yield self._embed(node)
            elif id(node) not in dropped:
                yield node

    def _product(self, product: onnx.NodeProto, result: str) -> onnx.NodeProto:
        """The product that the integer one and the nodes around it compute."""
        integers, zero_point = product.input[1], product.input[3]
        (scale,) = (name for name in self._scales(product).input if name in self._held)
        state = self._made_by[product.input[0]].input[0]
        return helper.make_node("MatMul", [state, self._weight(integers, scale, zero_point)], [result], result)

    def _embed(self, node: onnx.NodeProto) -> onnx.NodeProto:
        quantized = zip(node.input[_TABLES], node.input[_SCALES], node.input[_ZERO_POINTS], strict=True)
        tables = [self._weight(*names) if names[0] else "" for names in quantized]
        inputs = [*node.input[:2], *tables, *([node.input[_MASK]] if node.input[_MASK] else [])]
        made = helper.make_node(_EMBED, inputs, list(node.output), node.name, domain=node.domain)
        made.attribute.extend(node.attribute)
        return made

    def _around(self, product: onnx.NodeProto) -> list[onnx.NodeProto]:
        """The product, and what turns its inputs to integers and its integers back."""
        quantize, cast = self._made_by[product.input[0]], self._read_by[product.output[0]]
        return [quantize, product, cast, self._scales(product)]

    def _result(self, product: onnx.NodeProto) -> str:
        """Name of what comes of the product in the end, with its scales."""
        return str(self._rescale(product).output[0])

    def _rescale(self, product: onnx.NodeProto) -> onnx.NodeProto:
        quantize = self._made_by.get(product.input[0])
        cast = self._read_by.get(product.output[0])
        rescale = None if cast is None else self._read_by.get(cast.output[0])
        if quantize is None or quantize.op_type != _QUANTIZE or rescale is None or rescale.op_type != "Mul":
            raise InputError(
                f"The graph has an int8 product of another kind: {product.name}.",
                "Give a release that kith made, or export its encoder with --fp16.",
            )
        return rescale

    def _scales(self, product: onnx.NodeProto) -> onnx.NodeProto:
        """The node that multiplies the scale of the state with those of the weight."""
        rescale, cast = self._rescale(product), self._read_by[product.output[0]]
        (scales,) = (name for name in rescale.input if name != cast.output[0])
        return self._made_by[scales]

    def _weight(self, integers: str, scale: str, zero_point: str) -> str:
        name = integers.removesuffix("_quantized")
        whole = self._array(integers).astype(np.int32) - self._array(zero_point)
        self._weights[name] = np.asarray(whole * self._array(scale), dtype=np.float32)
        return name

    def _array(self, name: str) -> npt.NDArray[Any]:
        return numpy_helper.to_array(self._held[name])
