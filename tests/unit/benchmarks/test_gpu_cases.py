import pytest

from benchmarks.embed_gpu import BUDGETS, RUNS_AT_A_TIME, GpuTexts, gpu_cases, model_cases, tokenizer_case
from kith.errors import SettingsError
from tests.kith_process import ROOT
from workers.release import load_release

TEXTS = ["who treats cancer", "Bakes bread in a small town", "Plumber"]


@pytest.fixture(scope="module")
def release():
    return load_release(ROOT / "models" / "student-v1")


def test_every_case_embeds_every_text_where_it_is_told_to(release):
    given = GpuTexts(TEXTS, 24)
    cases = [*gpu_cases(release, "cpu", given), *model_cases(release, "cpu", given)]
    assert len({case.name for case in cases}) == len(cases) == len(BUDGETS) * (2 * len(RUNS_AT_A_TIME) + 1)
    for case in cases:
        found = case.run()
        rows = [vectors for one in found for vectors in (one if isinstance(one, list) else [one])]
        assert sum(len(vectors) for vectors in rows) == case.texts == len(TEXTS)
    assert len(tokenizer_case(release, given).run()) == len(TEXTS)


def test_without_the_gpu_there_is_no_figure_of_one(release):
    with pytest.raises(SettingsError, match="KITH_PROVIDER is cuda"):
        gpu_cases(release, "cuda", GpuTexts(TEXTS, 24))
