import numpy as np
import pytest
from tokenizers import Tokenizer

from distill.export import ExportPlan, export
from kith.errors import InputError
from tests import tiny_encoder
from tests.kith_process import one_line_error, run
from workers.embedding import OnnxEmbedder
from workers.release import load_release


def make(tmp_path, name="tiny-v0", **changes):
    encoder = tmp_path / "encoder"
    if not encoder.exists():
        tiny_encoder.write(encoder)
    return export(ExportPlan(name, tmp_path / "models", encoder, **changes), say=lambda _line: None)


def test_a_release_embeds_as_its_encoder_does_within_int8(tmp_path):
    release = make(tmp_path)
    embedder = OnnxEmbedder(load_release(release.folder), threads=1)
    texts = ["who can fix a leaking roof", "who treats cancer", "bakes"]
    weights = tiny_encoder.write(tmp_path / "again")
    tokenizer = Tokenizer.from_file(str(release.tokenizer_file))
    exact = np.array([tiny_encoder.embed(weights, tokenizer.encode(text).ids) for text in texts])
    assert np.sum(exact * embedder.embed(texts), axis=1).min() > 0.97
    assert release.manifest.dim == embedder.dim == tiny_encoder.HIDDEN
    assert release.manifest.metrics["cosine_int8_to_float32_median"] > 0.97


def test_the_same_command_gives_the_same_bytes(tmp_path):
    first = make(tmp_path)
    before = {path.name: path.read_bytes() for path in first.folder.iterdir()}
    again = make(tmp_path, replace=True)
    assert {path.name: path.read_bytes() for path in again.folder.iterdir()} == before


def test_a_release_is_replaced_only_when_told_to(tmp_path):
    make(tmp_path)
    with pytest.raises(InputError, match="exists"):
        make(tmp_path)


def test_padding_and_truncation_of_the_training_are_not_carried_on(tmp_path):
    tokenizer = Tokenizer.from_file(str(make(tmp_path).tokenizer_file))
    assert len(tokenizer.encode("bakes")) == 3
    assert len(tokenizer.encode("bakes " * 20)) == 22


def test_the_command_says_in_one_line_what_is_wrong_with_an_encoder(tmp_path):
    done = run({}, "distill", "export", "--release", "x", "--encoder", str(tmp_path), "--out", str(tmp_path / "out"))
    assert "is not a readable encoder" in one_line_error(done)
    assert not (tmp_path / "out" / "x").exists()


def test_the_pretrained_default_says_how_to_get_it(tmp_path):
    done = run({}, "distill", "export", "--release", "x", "--out", str(tmp_path / "out"))
    if done.returncode:  # where training is set up, it is there
        assert "make student-v0" in one_line_error(done)
