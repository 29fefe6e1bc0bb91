import numpy as np
import onnxruntime

from distill.encoder_folder import load_encoder
from distill.encoder_graph import build_graph
from distill.half import write_fp16
from tests import tiny_encoder


def run(model):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    inputs = {
        "input_ids": np.array([[2, 5, 6, 3], [2, 7, 3, 0]], dtype=np.int64),
        "attention_mask": np.array([[1, 1, 1, 1], [1, 1, 1, 0]], dtype=np.int64),
    }
    (vectors,) = session.run(None, inputs)
    return vectors


def test_vectors_in_float16_are_those_in_float32(tmp_path):
    tiny_encoder.write(tmp_path / "encoder", shape=tiny_encoder.Shape(layers=2, hidden=64, wide=128))
    graph = build_graph(*load_encoder(tmp_path / "encoder"))
    write_fp16(graph, tmp_path / "half.onnx")
    exact, half = run(graph.SerializeToString()), run(str(tmp_path / "half.onnx"))
    assert half.dtype == np.float32
    assert np.sum(exact * half, axis=1).min() > 0.9999
    assert (tmp_path / "half.onnx").stat().st_size < 0.6 * len(graph.SerializeToString())
