"""Teacher, student, release: the whole chain by its commands, on an encoder with random weights and a few steps."""

import json
import subprocess
import sys

import numpy as np
import pytest

from distill.gates import load_gates
from kith.errors import ReleaseError
from tests import tiny_encoder
from tests.tiny_encoder import Shape
from workers.embedding import OnnxEmbedder
from workers.release import load_release

LENIENT = """least_of_teacher = 0.0
least_over_baseline = -1.0
least_no_shared_word = 0.0
most_lost_to_int8 = 1.0
least_cosine_median = 0.5
most_megabytes = 25.0
"""


def kith(*arguments):
    command = [sys.executable, "-m", "kith", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chain")
    shape = Shape(layers=3, hidden=32, heads=4, wide=64)
    tiny_encoder.write(folder / "pretrained", shape=shape, words=tiny_encoder.SPELLING)
    (folder / "gates.toml").write_text(LENIENT)
    made = kith("distill", "teacher", "--encoder", folder / "pretrained", "--out", folder / "teacher", "--steps", "3")
    assert made.returncode == 0, made.stderr
    assert "step 3 of 3" in made.stderr
    teacher = folder / "teacher" / "encoder"
    layers = ["--layer", "0", "--layer", "2"]
    made = kith("distill", "student", "--teacher", teacher, "--out", folder / "student", "--steps", "3", *layers)
    assert made.returncode == 0, made.stderr
    return folder


def release(folder, name, *more):
    return kith(
        *("distill", "release", "--release", name, "--out", folder / "models"),
        *("--student", folder / "student" / "encoder", "--teacher", folder / "teacher" / "encoder"),
        *("--baseline", folder / "pretrained", *more),
    )


def test_the_chain_ends_in_a_release_that_embeds(trained):
    made = release(trained, "tiny", "--gates", trained / "gates.toml", "--fp16", "--json")
    assert made.returncode == 0, made.stderr
    manifest = json.loads(made.stdout)
    assert "ndcg_at_10 all" in manifest["metrics"]
    assert set(manifest["data"]) == {"taxonomy", "lexicon", "held_out"}
    loaded = load_release(trained / "models" / "tiny")
    assert {"model.int8.onnx", "model.fp16.onnx", "tokenizer.json", "README.md"} == set(loaded.manifest.files)
    vectors = OnnxEmbedder(loaded, threads=1).embed(["wer repariert mein Dach?", "roofer"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert kith("models", "verify", "--models", trained / "models").returncode == 0
    (trained / "models" / "tiny" / "README.md").write_text("altered")
    verified = kith("models", "verify", "--models", trained / "models")
    assert verified.returncode == 1
    assert "hash differs" in verified.stderr
    with pytest.raises(ReleaseError):
        load_release(trained / "models" / "tiny")


def test_a_release_that_misses_a_gate_is_refused_with_its_figure_and_leaves_nothing(trained):
    made = release(trained, "refused")
    assert made.returncode == 2
    assert "without a shared word, least 0.5" in made.stderr
    assert not list(trained.glob("models/*refused*"))
    assert load_gates().least_no_shared_word > 0.5


def test_the_vocabulary_has_grown(trained):
    config = json.loads((trained / "student" / "encoder" / "config.json").read_text())
    assert config["vocab_size"] > 10_000


def test_measuring_by_command(trained):
    made = kith("eval", "bm25", trained / "student" / "encoder", "--dataset", "dev", "--json")
    assert made.returncode == 0, made.stderr
    systems = {row["system"]: row for row in json.loads(made.stdout)["systems"]}
    assert systems["student"]["against_baseline"]["all"]["p_value"] <= 1
    assert systems["bm25"]["figures"]["all"]["nDCG@10"]["mean"] > 0.05


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["distill", "teacher", "--encoder", "/nowhere"], "/nowhere"),
        (["distill", "student", "--teacher", "/nowhere"], "/nowhere"),
        (["eval", "bm25", "--dataset", "/nowhere"], "corpus.jsonl cannot be read"),
        (["eval", "/nowhere"], "is no system"),
        (["eval", "bm25", "bm25"], "Two systems have one name"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, arguments, said):
    made = kith(*arguments, *(["--out", tmp_path] if arguments[0] == "distill" else []))
    assert made.returncode == 2
    assert said in made.stderr
    assert "Traceback" not in made.stderr
