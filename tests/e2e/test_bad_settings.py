import re
import shutil
import socket

import pytest

from kith.services.ports import free_port
from tests.kith_process import ROOT, one_line_error, run


@pytest.fixture
def nowhere():
    """An address at which nothing listens."""
    return f"127.0.0.1:{free_port()}"


def test_an_unknown_setting_is_named_with_the_nearest_one(home):
    done = run(home | {"KITH_KAFKA_BOOTSRAP": "x:1"}, "status")
    assert "Unknown setting KITH_KAFKA_BOOTSRAP" in one_line_error(done)
    assert "Did you mean KITH_KAFKA_BOOTSTRAP?" in one_line_error(done)
    assert done.returncode == 2


def test_an_unknown_setting_in_the_file_is_named(home, tmp_path):
    (tmp_path / "kith.toml").write_text('milvus_url = "http://x"\n')
    said = one_line_error(run(home, "status", cwd=tmp_path))
    assert "unknown setting milvus_url in kith.toml (did you mean milvus_uri?)" in said


def test_a_wrong_value_is_named(home):
    said = one_line_error(run(home | {"KITH_PARTITIONS": "many"}, "status"))
    assert "partitions" in said


def test_a_broken_file_is_named(home, tmp_path):
    (tmp_path / "kith.toml").write_text("partitions = \n")
    assert "kith.toml is not valid TOML" in one_line_error(run(home, "status", cwd=tmp_path))


@pytest.mark.parametrize("verb", ["up", "index", "serve"])
def test_a_wrong_model_path_stops_before_anything_is_started(home, nowhere, tmp_path, verb):
    elsewhere = {"KITH_KAFKA_BOOTSTRAP": nowhere, "KITH_MILVUS_URI": f"http://{nowhere}"}
    given = home | {"KITH_MODEL_DIR": str(tmp_path / "no-model")} | (elsewhere if verb != "up" else {})
    said = one_line_error(run(given, verb))
    assert re.search(r"no-model holds no model release|does not answer", said)


def test_an_altered_model_is_refused_with_the_file(home, tmp_path):
    copy = tmp_path / "student-v1"
    shutil.copytree(ROOT / "models" / "student-v1", copy)
    with (copy / "model.int8.onnx").open("r+b") as file:
        file.seek(1000)
        file.write(b"\x00\x01\x02\x03")
    said = one_line_error(run(home | {"KITH_MODEL_DIR": str(copy)}, "up"))
    assert "model.int8.onnx is not the file of this release" in said


@pytest.mark.parametrize("setting", ["KITH_KAFKA_PORT", "KITH_SCHEMA_REGISTRY_PORT", "KITH_MILVUS_PORT"])
def test_a_taken_port_is_named_with_its_setting(home, setting):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        done = run(home | {setting: str(port)}, "up")
    said = one_line_error(done)
    assert f"{port}" in said
    assert setting in said
    assert done.returncode == 3


@pytest.mark.parametrize(
    "verb", [["topics", "apply"], ["index"], ["serve"], ["search", "who?"], ["produce", "--synthetic", "3"]]
)
def test_kafka_that_does_not_answer_is_one_line_and_exit_code_3(home, nowhere, verb):
    given = {
        "KITH_KAFKA_BOOTSTRAP": nowhere,
        "KITH_SCHEMA_REGISTRY_URL": f"http://{nowhere}",
        "KITH_MILVUS_URI": f"http://{nowhere}",
    }
    done = run(home | given, *verb)
    assert nowhere in one_line_error(done)
    assert done.returncode == 3


def test_nothing_known_says_what_to_run(home):
    assert "Run `kith up` here" in one_line_error(run(home, "topics", "apply"))
