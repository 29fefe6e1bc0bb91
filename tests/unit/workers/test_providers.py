import tomllib

import pytest
from structlog.testing import capture_logs

from kith.errors import KithError, ReleaseError, SettingsError
from tests.kith_process import ROOT
from workers import providers
from workers.providers import PROVIDERS, load_model, refuse_two_runtimes
from workers.release import MODEL_FP16, MODEL_INT8, Release, load_release

WITH_CUDA = ["CUDAExecutionProvider", "CPUExecutionProvider"]


@pytest.fixture(scope="module")
def release():
    return load_release(ROOT / "models" / "student-v1")


@pytest.fixture(scope="module")
def with_half(release):
    files = release.manifest.files
    both = release.manifest.model_copy(update={"files": {**files, MODEL_FP16: files[MODEL_INT8]}})
    return Release(release.folder, both)


def test_an_unknown_provider_is_refused_with_those_there_are(release):
    with pytest.raises(SettingsError, match=r"KITH_PROVIDER is tpu\. Set it to one of cpu, cuda, tensorrt"):
        load_model(release, "tpu")


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_gpu_that_is_not_there_is_an_error_that_says_what_is(release, provider):
    with pytest.raises(SettingsError, match=rf"KITH_PROVIDER is {provider}, but .* has only .*CPUExecutionProvider"):
        load_model(release, provider)


def test_the_cpu_takes_over_only_when_it_may_and_with_a_warning_that_says_why(with_half):
    with capture_logs() as said:
        loaded = load_model(with_half, "cuda", allow_cpu_fallback=True)
    assert (loaded.provider, loaded.file.name, loaded.precision) == ("cpu", MODEL_INT8, "int8")
    assert loaded.session.get_providers()[0] == PROVIDERS["cpu"][0]
    (line,) = said
    assert (line["log_level"], line["event"], line["wanted"]) == ("warning", "the model runs on the CPU", "cuda")
    assert "KITH_PROVIDER is cuda" in line["reason"]


def test_a_gpu_runs_float16_and_a_release_without_it_does_not_run_there(release, with_half):
    for provider in ("cuda", "tensorrt"):
        available = [PROVIDERS[provider][0], *WITH_CUDA]
        assert with_half.model_file(provider).name == MODEL_FP16
        assert providers._lacking(with_half, provider, available) is None
        lacking = providers._lacking(release, provider, available)
        assert isinstance(lacking, ReleaseError)
        assert f"{MODEL_FP16}, which GPUs run. Make one with it: `kith distill half --model " in str(lacking)
    assert providers._lacking(release, "cpu", WITH_CUDA) is None
    assert isinstance(providers._lacking(with_half, "tensorrt", WITH_CUDA), SettingsError), "CUDA alone is no TensorRT"


def test_two_builds_of_the_runtime_over_each_other_are_refused():
    refuse_two_runtimes(["numpy", "onnxruntime-gpu"])
    refuse_two_runtimes()
    with pytest.raises(KithError, match=r"both installed.*`pip uninstall onnxruntime onnxruntime-gpu`.*not both"):
        refuse_two_runtimes(["onnxruntime", "numpy", "onnxruntime-gpu"])


def test_asking_for_both_builds_is_an_error_of_the_project_already():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert [{"extra": "cpu"}, {"extra": "gpu"}] in project["tool"]["uv"]["conflicts"]
