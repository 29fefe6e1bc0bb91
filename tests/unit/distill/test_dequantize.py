import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from distill.dequantize import dequantize
from distill.encoder_folder import load_encoder
from distill.encoder_graph import build_graph
from distill.quantize import quantize_int8
from kith.errors import InputError
from tests import tiny_encoder
from tests.unit.distill.test_half import run as run_bytes

SHAPE = tiny_encoder.Shape(layers=2, hidden=64, wide=128)


@pytest.fixture
def graphs(tmp_path):
    """The graph as it was, and as int8."""
    tiny_encoder.write(tmp_path / "encoder", shape=SHAPE)
    exact = build_graph(*load_encoder(tmp_path / "encoder"))
    quantize_int8(exact, tmp_path / "int8.onnx")
    return exact, onnx.load(tmp_path / "int8.onnx")


def constants(model):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def run(model):
    return run_bytes(model.SerializeToString())


def test_the_graph_is_the_one_that_was_quantized_but_for_what_its_weights_lost(graphs):
    exact, int8 = graphs
    again = dequantize(int8)
    ours, theirs = ({(node.op_type, *node.output) for node in model.graph.node} for model in (again, exact))
    assert ours == theirs
    before, after, quantized = constants(exact), constants(again), constants(int8)
    assert after.keys() == before.keys()
    for name, weight in after.items():
        step = np.max(quantized.get(f"{name}_scale", 0.0))
        assert weight.dtype == before[name].dtype
        np.testing.assert_allclose(weight, before[name], rtol=0, atol=0.51 * step)
    assert any(not np.array_equal(after[name], before[name]) for name in after), "int8 keeps less than there was"


def test_vectors_are_those_of_the_int8_graph_but_for_what_its_activations_lose(graphs):
    exact, int8 = graphs
    found = run(dequantize(int8))
    assert np.sum(found * run(int8), axis=1).min() > 0.97
    assert np.sum(found * run(exact), axis=1).min() > np.sum(run(int8) * run(exact), axis=1).min()


def test_a_graph_given_is_left_as_it_was(graphs):
    _, int8 = graphs
    before = int8.SerializeToString()
    dequantize(int8)
    assert int8.SerializeToString() == before


def test_an_int8_product_of_another_kind_is_refused_by_name(graphs):
    _, int8 = graphs
    product = next(node for node in int8.graph.node if node.op_type == "MatMulInteger")
    for node in int8.graph.node:
        if node.op_type == "Cast" and node.input[0] == product.output[0]:
            node.op_type = "Identity"
            node.input[0] = "embedded"
    with pytest.raises(InputError, match=rf"another kind: {product.name}\. Give a release that kith made"):
        dequantize(int8)
