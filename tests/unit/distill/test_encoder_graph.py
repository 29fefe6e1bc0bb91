import numpy as np
import onnxruntime
import pytest

from distill.encoder_folder import load_encoder
from distill.encoder_graph import build_graph
from kith.errors import InputError
from tests import tiny_encoder
from tests.tiny_encoder import Shape

IDS = [[2, 4, 5, 6, 7, 9, 3], [2, 10, 11, 3], [2, 3]]


@pytest.mark.parametrize(
    "shape",
    [
        Shape(),
        Shape(layers=1, hidden=8, heads=1, wide=8),
        Shape(layers=5, hidden=48, heads=6, wide=96),
        Shape(pooling="last_layer"),
        Shape(layers=1, pooling="last_layer"),
    ],
    ids=["small", "one layer", "deep and wide", "pooled last layer", "only a pooled layer"],
)
def test_the_graph_computes_what_numpy_does_padded_or_not(tmp_path, shape):
    weights = tiny_encoder.write(tmp_path / "encoder", shape=shape)
    session = onnxruntime.InferenceSession(
        build_graph(*load_encoder(tmp_path / "encoder")).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    ids, mask = np.zeros((3, 7), dtype=np.int64), np.zeros((3, 7), dtype=np.int64)
    for row, tokens in enumerate(IDS):
        ids[row, : len(tokens)], mask[row, : len(tokens)] = tokens, 1
    (found,) = session.run(None, {"input_ids": ids, "attention_mask": mask})
    expected = np.array([tiny_encoder.embed(weights, tokens, shape) for tokens in IDS])
    np.testing.assert_allclose(found, expected, atol=2e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_the_same_weights_give_the_same_bytes(tmp_path):
    tiny_encoder.write(tmp_path / "encoder")
    graphs = [build_graph(*load_encoder(tmp_path / "encoder")).SerializeToString() for _ in range(2)]
    assert graphs[0] == graphs[1]


def test_a_missing_weight_is_named(tmp_path):
    tiny_encoder.write(tmp_path / "encoder")
    config, weights = load_encoder(tmp_path / "encoder")
    del weights["encoder.layer.1.output.dense.bias"]
    with pytest.raises(InputError, match=r"encoder\.layer\.1\.output\.dense\.bias"):
        build_graph(config, weights)
