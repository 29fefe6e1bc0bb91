import json

import numpy as np
import onnxruntime
import pytest

from distill.encoder_graph import build_graph, load_encoder
from kith.errors import InputError
from tests import tiny_encoder

IDS = [[2, 4, 5, 6, 7, 9, 3], [2, 10, 11, 3], [2, 3]]


@pytest.fixture
def encoder(tmp_path):
    folder = tmp_path / "encoder"
    return folder, tiny_encoder.write(folder)


def test_the_graph_computes_what_the_paper_says_padded_or_not(encoder):
    folder, weights = encoder
    session = onnxruntime.InferenceSession(
        build_graph(*load_encoder(folder)).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    ids, mask = np.zeros((3, 7), dtype=np.int64), np.zeros((3, 7), dtype=np.int64)
    for row, tokens in enumerate(IDS):
        ids[row, : len(tokens)], mask[row, : len(tokens)] = tokens, 1
    (found,) = session.run(None, {"input_ids": ids, "attention_mask": mask})
    expected = np.array([tiny_encoder.embed(weights, tokens) for tokens in IDS])
    np.testing.assert_allclose(found, expected, atol=2e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_the_same_weights_give_the_same_bytes(encoder):
    folder, _ = encoder
    first, second = (build_graph(*load_encoder(folder)).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second


def test_a_folder_that_is_no_encoder_is_refused_with_the_reason(tmp_path, encoder):
    with pytest.raises(InputError, match="is not a readable encoder"):
        load_encoder(tmp_path / "nowhere")
    folder, _ = encoder
    (folder / "model.safetensors").write_bytes(b"not tensors")
    with pytest.raises(InputError, match="is not a readable encoder"):
        load_encoder(folder)


def test_another_kind_of_model_is_refused(encoder):
    folder, _ = encoder
    config = json.loads((folder / "config.json").read_text()) | {"model_type": "gpt2"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="gpt2"):
        load_encoder(folder)


def test_a_missing_weight_is_named(encoder):
    folder, _ = encoder
    config, weights = load_encoder(folder)
    del weights["encoder.layer.1.output.dense.bias"]
    with pytest.raises(InputError, match=r"encoder\.layer\.1\.output\.dense\.bias"):
        build_graph(config, weights)
