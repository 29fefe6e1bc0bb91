from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from distill.encoder_folder import load_encoder
from distill.encoder_graph import build_graph
from distill.quantize import quantize_int8
from tests import tiny_encoder

SHAPE = tiny_encoder.Shape(layers=3)


@pytest.fixture
def graph(tmp_path):
    tiny_encoder.write(tmp_path / "encoder", shape=SHAPE)
    return build_graph(*load_encoder(tmp_path / "encoder"))


def test_every_product_of_every_layer_runs_in_int8(graph, tmp_path):
    quantize_int8(graph, tmp_path / "int8.onnx")
    found = onnx.load(tmp_path / "int8.onnx").graph
    count = Counter(node.op_type for node in found.node)
    assert count["MatMulInteger"] == 4 * SHAPE.layers
    assert count["QEmbedLayerNormalization"] == 1
    # What is left is of two activations: two products in each layer's attention, and the pooling.
    assert count["MatMul"] == 2 * SHAPE.layers + 1


def test_weights_are_int8_with_a_scale_per_column(graph, tmp_path):
    quantize_int8(graph, tmp_path / "int8.onnx")
    held = {
        tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(tmp_path / "int8.onnx").graph.initializer
    }
    name = "encoder.layer.0.intermediate.dense.weight.T"
    assert held[f"{name}_quantized"].dtype == np.int8
    assert held[f"{name}_scale"].shape == (SHAPE.wide,)
    assert max(np.abs(held[f"{name}_quantized"].astype(int)).max(axis=0)) == 127


def test_the_same_graph_gives_the_same_bytes(graph, tmp_path):
    for name in ("a.onnx", "b.onnx"):
        quantize_int8(graph, tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
