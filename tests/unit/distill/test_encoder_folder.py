import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from distill.encoder_folder import load_encoder
from kith.errors import InputError
from tests import tiny_encoder


@pytest.fixture
def folder(tmp_path):
    tiny_encoder.write(tmp_path / "encoder")
    return tmp_path / "encoder"


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def pooled_by(folder, **modes):
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(modes))
    modules = [{"path": "", "type": "x.models.Transformer"}, {"path": "1_Pooling", "type": "x.models.Pooling"}]
    (folder / "modules.json").write_text(json.dumps(modules))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"is not a readable encoder: {name}"):
        load_encoder(folder)


def test_weights_that_are_no_tensors_are_refused(folder):
    (folder / "model.safetensors").write_bytes(b"not tensors")
    with pytest.raises(InputError, match=r"is not a readable encoder: model\.safetensors"):
        load_encoder(folder)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"model_type": "gpt2"}, "model_type is 'gpt2'"),
        ({"hidden_act": "relu"}, "hidden_act is 'relu'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type is 'relative_key'"),
        ({"num_attention_heads": 3}, "hidden_size 16 cannot be shared by 3 heads"),
        ({"hidden_size": 32}, r"word_embeddings.weight is \(13, 16\), config.json asks for \(13, 32\)"),
        ({"num_hidden_layers": 1}, "holds 2 layers, config.json asks for 1"),
        ({"layer_norm_eps": None}, "layer_norm_eps"),
    ],
)
def test_a_config_of_another_encoder_is_refused_with_the_reason(folder, value, said):
    change(folder / "config.json", **value)
    with pytest.raises(InputError, match=said):
        load_encoder(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "\udcff"])
def test_a_config_that_is_no_object_is_refused(folder, text):
    (folder / "config.json").write_text(text, errors="surrogateescape")
    with pytest.raises(InputError, match=r"config\.json: the whole file"):
        load_encoder(folder)


def test_half_precision_weights_of_a_wrapped_encoder_are_read(folder):
    weights = load_file(folder / "model.safetensors")
    halves = {f"bert.{name}": weight.astype(np.float16) for name, weight in weights.items()}
    save_file(halves, folder / "model.safetensors")
    _, found = load_encoder(folder)
    assert set(found) == set(weights)
    assert {weight.dtype for weight in found.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("modes", [{"pooling_mode_mean_tokens": True}, {"pooling_mode": "mean"}])
def test_mean_pooling_is_taken(folder, modes):
    pooled_by(folder, word_embedding_dimension=16, **modes)
    load_encoder(folder)


@pytest.mark.parametrize(
    ("modes", "said"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "pools by cls_token"),
        ({"pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": True}, "pools by max_tokens and mean_tokens"),
        ({"pooling_mode": "cls"}, "pools by cls"),
    ],
)
def test_another_pooling_is_refused(folder, modes, said):
    pooled_by(folder, **modes)
    with pytest.raises(InputError, match=said):
        load_encoder(folder)


def test_a_layer_after_pooling_is_refused(folder):
    (folder / "modules.json").write_text(json.dumps([{"path": "2_Dense", "type": "x.models.Dense"}]))
    with pytest.raises(InputError, match="has a Dense layer"):
        load_encoder(folder)
