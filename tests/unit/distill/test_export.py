import json
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
from tokenizers import Tokenizer

from distill.export import ExportPlan, export, pretrained_folder
from kith.errors import InputError, MissingTool
from tests import tiny_encoder
from tests.kith_process import ROOT, one_line_error, run
from workers.embedding import OnnxEmbedder
from workers.release import MODEL_FP16, load_release, sha256_of


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


def test_a_release_for_gpus_has_a_float16_graph_that_embeds_as_the_int8_one_does(tmp_path):
    release = load_release(make(tmp_path, half=True).folder)
    assert release.model_file("cuda").name == MODEL_FP16
    assert release.manifest.command.endswith(" --fp16")
    assert MODEL_FP16 not in load_release(make(tmp_path, "without").folder).manifest.files
    ids = np.array([[2, 5, 6, 3]], dtype=np.int64)
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    vectors = [
        onnxruntime.InferenceSession(release.model_file(provider)).run(None, inputs)[0] for provider in ("cpu", "cuda")
    ]
    assert np.sum(vectors[0] * vectors[1]) > 0.97


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


def test_a_missing_pretrained_package_says_how_to_get_it():
    with pytest.raises(MissingTool, match=r"no-such-encoder is not installed.*make student-v0"):
        pretrained_folder("no-such-encoder")


def test_the_pretrained_package_is_found_without_importing_it(tmp_path, monkeypatch):
    (tmp_path / "some_encoder").mkdir()
    (tmp_path / "some_encoder" / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert pretrained_folder("some-encoder") == tmp_path / "some_encoder" / "model"


def test_without_the_training_libraries_the_command_names_the_missing_one():
    code = (
        "import sys; sys.modules['onnx'] = None; sys.argv = ['kith', 'distill', 'export', '--release', 'x']\n"
        "from kith.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["kith: onnx is not installed. Install what training needs: kith[train,eval]."]


@pytest.mark.parametrize("name", ["../escape", "Upper", "", "-x", "a/b"])
def test_a_name_that_is_no_name_is_refused_before_anything_is_written(tmp_path, name):
    with pytest.raises(InputError, match="cannot name a release"):
        make(tmp_path, name)
    assert [path.name for path in tmp_path.iterdir()] == ["encoder"]


def test_a_failed_export_leaves_nothing_and_the_release_before_it_whole(tmp_path):
    made = make(tmp_path)
    (tmp_path / "encoder" / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match=r"tokenizer\.json is not a tokenizer"):
        make(tmp_path, replace=True)
    assert [path.name for path in made.folder.parent.iterdir()] == [made.folder.name]
    load_release(made.folder)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "models").write_text("a file")
    with pytest.raises(InputError, match=r"models/tiny-v0 cannot be written"):
        make(tmp_path)


def test_a_tokenizer_that_knows_more_words_than_the_encoder_is_refused(tmp_path):
    tiny_encoder.write(tmp_path / "encoder")
    path = tmp_path / "encoder" / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.add_tokens(["unheard"])
    tokenizer.save(str(path))
    with pytest.raises(InputError, match="knows 14 tokens, the encoder 13"):
        make(tmp_path)


def test_the_manifest_holds_what_is_needed_to_make_it_again(tmp_path):
    manifest = make(tmp_path, languages=("en", "de")).manifest
    assert manifest.command == "kith distill export --release tiny-v0 --encoder encoder --language en --language de"
    assert manifest.max_tokens == tiny_encoder.POSITIONS
    assert manifest.source.sha256 == sha256_of(tmp_path / "encoder" / "model.safetensors")
    assert str(tmp_path) not in manifest.model_dump_json()


def test_a_release_is_for_the_renderer_that_was_named(tmp_path):
    made = make(tmp_path, renderer="profile-brief-1")
    assert load_release(made.folder).manifest.renderer == "profile-brief-1"
    assert made.manifest.command.endswith("--encoder encoder --renderer profile-brief-1")
    given = ["--encoder", str(tmp_path / "encoder"), "--out", str(tmp_path / "out"), "--renderer", "profile-text-9"]
    done = run({}, "distill", "export", "--release", "x", *given)
    assert done.returncode == 2
    assert "profile-text-1, profile-brief-1" in one_line_error(done)
    assert not (tmp_path / "out").exists()


def test_the_command_prints_the_manifest_as_json(tmp_path):
    tiny_encoder.write(tmp_path / "encoder")
    given = ["--release", "x", "--encoder", str(tmp_path / "encoder"), "--out", str(tmp_path), "--json"]
    done = run({}, "distill", "export", *given)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((tmp_path / "x" / "manifest.json").read_text())
