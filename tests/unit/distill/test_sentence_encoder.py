import numpy as np
import torch

from distill.encoder_folder import load_encoder
from distill.sentence_encoder import PooledEncoder
from tests import tiny_encoder
from tests.tiny_encoder import Shape


def test_the_module_computes_what_numpy_does_padded_or_not(tmp_path):
    shape = Shape(layers=3, pooling="last_layer")
    weights = tiny_encoder.write(tmp_path / "encoder", shape=shape)
    config, loaded = load_encoder(tmp_path / "encoder")
    module = PooledEncoder(config)
    module.load_state_dict({name: torch.from_numpy(loaded[name]) for name in module.state_dict()})
    ids = torch.tensor([[2, 4, 5, 6, 3], [2, 7, 3, 0, 0]])
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    with torch.no_grad():
        found = module(ids, mask).numpy()
    expected = [tiny_encoder.embed(weights, tokens, shape) for tokens in ([2, 4, 5, 6, 3], [2, 7, 3])]
    np.testing.assert_allclose(found, np.array(expected), atol=2e-5)
