import json
import shutil

import pytest

from kith.errors import ReleaseError
from tests.kith_process import ROOT
from workers.release import MANIFEST, Release, load_release
from workers.render import RENDERER_ID

RELEASES = [ROOT / "models" / name for name in ("student-v0", "student-v1")]
STUDENT = RELEASES[1]


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(STUDENT, tmp_path / "student-v1")


@pytest.mark.parametrize("folder", RELEASES, ids=lambda folder: folder.name)
def test_the_releases_in_the_repository_are_whole_and_small(folder):
    release = load_release(folder)
    assert (release.manifest.name, release.manifest.dim) == (folder.name, 384)
    assert release.manifest.renderer == RENDERER_ID
    assert sum(entry.bytes for entry in release.manifest.files.values()) < 25_000_000


def test_one_altered_byte_is_found(copy):
    path = copy / "model.int8.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ReleaseError, match=r"model\.int8\.onnx is not the file of this release"):
        load_release(copy)


def test_a_gpu_runs_the_float16_graph_where_the_release_has_one(copy):
    release = load_release(copy)
    assert release.model_file("cuda").name == "model.int8.onnx"
    half = {**release.manifest.files, "model.fp16.onnx": release.manifest.files["model.int8.onnx"]}
    both = Release(copy, release.manifest.model_copy(update={"files": half}))
    assert both.model_file("cuda").name == "model.fp16.onnx"
    assert both.model_file("cpu").name == "model.int8.onnx"


def test_a_missing_file_is_named(copy):
    (copy / "tokenizer.json").unlink()
    with pytest.raises(ReleaseError, match=r"tokenizer\.json is missing"):
        load_release(copy)


def test_a_missing_folder_names_the_setting(tmp_path):
    with pytest.raises(ReleaseError, match="KITH_MODEL_DIR"):
        load_release(tmp_path / "nowhere")


@pytest.mark.parametrize("broken", ["{", "[]", '{"name": "x"}'])
def test_a_malformed_manifest_is_refused(copy, broken):
    (copy / MANIFEST).write_text(broken)
    with pytest.raises(ReleaseError, match="is not a manifest"):
        load_release(copy)


def test_a_manifest_that_lists_no_model_is_refused(copy):
    manifest = json.loads((copy / MANIFEST).read_text())
    del manifest["files"]["model.int8.onnx"]
    (copy / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ReleaseError, match=r"does not list model\.int8\.onnx"):
        load_release(copy)


@pytest.mark.parametrize("name", ["../outside.onnx", "/etc/hostname", ".hidden", "a/b"])
def test_a_manifest_that_lists_a_file_elsewhere_is_refused(copy, name):
    manifest = json.loads((copy / MANIFEST).read_text())
    manifest["files"][name] = manifest["files"]["tokenizer.json"]
    (copy / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ReleaseError, match="is not a manifest: files"):
        load_release(copy)


def test_an_unknown_field_in_a_manifest_is_named(copy):
    manifest = json.loads((copy / MANIFEST).read_text()) | {"dims": 384}
    (copy / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ReleaseError, match="dims"):
        load_release(copy)
