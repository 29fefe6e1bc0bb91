import json

import numpy as np
import pytest

from distill.export import ExportPlan, export
from tests import tiny_encoder
from tests.kith_process import one_line_error, run
from workers.embedding import OnnxEmbedder
from workers.release import MODEL_FP16, MODEL_INT8, load_release


@pytest.fixture
def given(tmp_path):
    tiny_encoder.write(tmp_path / "encoder")
    return export(ExportPlan("tiny", tmp_path / "models", tmp_path / "encoder"), say=lambda _line: None)


def half(given, *options):
    return run(
        {}, "distill", "half", "--model", str(given.folder), "--out", str(given.folder.parent), "--release", *options
    )


def test_a_gpu_runs_a_release_made_of_one_without_its_encoder(given):
    done = half(given, "tiny-gpu", "--json")
    assert done.returncode == 0, done.stderr
    made = load_release(given.folder.parent / "tiny-gpu")
    assert json.loads(done.stdout) == made.manifest.model_dump(mode="json")
    assert made.model_file("cuda").name == MODEL_FP16
    assert made.model_file("cpu").read_bytes() == given.model_file("cpu").read_bytes()
    assert made.manifest.metrics["cosine_int8_to_float16_min"] > 0.97
    assert made.manifest.metrics.items() > given.manifest.metrics.items()
    assert made.manifest.command == f"kith distill half --model {given.folder} --release tiny-gpu"


def test_its_float16_graph_embeds_as_the_int8_one_does(given):
    half(given, "tiny-gpu")
    made = load_release(given.folder.parent / "tiny-gpu")
    # A GPU's graph, which a CPU runs as well, only slowly.
    files = {**made.manifest.files, MODEL_INT8: made.manifest.files[MODEL_FP16]}
    (made.folder / MODEL_INT8).write_bytes((made.folder / MODEL_FP16).read_bytes())
    as_half = type(made)(made.folder, made.manifest.model_copy(update={"files": files}))
    texts = ["who can fix a leaking roof", "who treats cancer", "bakes"]
    found = OnnxEmbedder(as_half, threads=1).embed(texts)
    assert np.sum(found * OnnxEmbedder(given, threads=1).embed(texts), axis=1).min() > 0.97


def test_what_is_wrong_is_one_line_and_nothing_is_made(given):
    assert "tiny exists. Choose another --release" in one_line_error(half(given, "tiny"))
    assert "cannot name a release" in one_line_error(half(given, "Tiny GPU"))
    (given.folder / MODEL_INT8).write_bytes(b"damaged")
    assert "is not the file of this release" in one_line_error(half(given, "tiny-gpu"))
    assert not (given.folder.parent / "tiny-gpu").exists()
