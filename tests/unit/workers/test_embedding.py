from dataclasses import replace

import numpy as np
import psutil
import pytest

from kith.errors import InputError, ReleaseError, SettingsError
from tests.kith_process import ROOT
from workers.cores import available_cores
from workers.embedding import OnnxEmbedder
from workers.release import load_release


@pytest.fixture(scope="module")
def release():
    return load_release(ROOT / "models" / "student-v1")


@pytest.fixture(scope="module")
def embedder(release):
    return OnnxEmbedder(release, threads=1)


def test_rows_are_unit_vectors_in_the_order_of_the_texts(embedder):
    texts = ["Plumber.", "Software engineer who builds event streaming in Python. " * 5, "Baker of bread.", ""]
    together = embedder.embed(texts)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for text, row in zip(texts, together, strict=True):
        # Activations are quantized by what runs together, so the same text differs a little from run to run.
        assert float(embedder.embed([text])[0] @ row) > 0.98


def test_no_texts_give_no_rows(embedder):
    assert embedder.embed([]).shape == (0, 384)


def test_meaning_counts_and_not_words(embedder):
    question, right, wrong = embedder.embed(
        ["who knows about treating cancer?", "Oncologist: tumours, chemotherapy, radiotherapy.", "Treasurer of a bank."]
    )
    assert question @ right > question @ wrong + 0.2


def test_a_huge_text_costs_no_more_memory_than_a_long_one(embedder):
    embedder.embed(["profile " * 400] * 8)
    before = psutil.Process().memory_info().rss
    embedder.embed(["x" * 3_000_000, "word " * 600_000, "short"])
    assert psutil.Process().memory_info().rss - before < 100 * 2**20


def test_what_cannot_be_tokenized_is_refused(embedder):
    with pytest.raises(InputError, match="cannot be tokenized"):
        embedder.embed(["fine", "lone \ud800 surrogate"])


def test_vectors_are_the_same_however_many_run_at_a_time(release):
    texts = [f"Plumber number {n}. " + "Repairs burst pipes. " * (n % 9) for n in range(40)]
    one, three = OnnxEmbedder(release, threads=1), OnnxEmbedder(release, threads=3)
    np.testing.assert_array_equal(one.embed(texts), three.embed(texts))


class BrokenAt:
    """A session whose vectors are not finite for runs of one length."""

    def __init__(self, session, longest):
        self.session = session
        self.longest = longest

    def run(self, outputs, inputs):
        (vectors,) = self.session.run(outputs, inputs)
        return [np.full_like(vectors, np.nan) if inputs["input_ids"].shape[1] == self.longest else vectors]


def test_what_fails_in_one_of_several_runs_at_a_time_is_raised(release):
    embedder = OnnxEmbedder(release, threads=2, token_budget=1)
    embedder._session = BrokenAt(embedder._session, 7)
    with pytest.raises(InputError, match="not finite"):
        embedder.embed(["word " * (n % 4 + 3) for n in range(20)])
    assert np.isfinite(embedder.embed(["word", "two words"])).all(), "it goes on with what is whole"


def test_it_says_what_runs_where_and_how(release):
    told = OnnxEmbedder(release).runs_on
    assert (told.model, told.provider, told.precision) == ("student-v1", "cpu", "int8")
    assert (told.threads, told.token_budget) == (available_cores(), 256)
    assert OnnxEmbedder(release, threads=3, token_budget=64).runs_on == replace(told, threads=3, token_budget=64)


def test_without_the_provider_that_was_asked_for_it_stops_or_says_that_the_cpu_runs_it(release):
    with pytest.raises(SettingsError, match="KITH_PROVIDER is cuda"):
        OnnxEmbedder(release, provider="cuda")
    fallen = OnnxEmbedder(release, provider="cuda", allow_cpu_fallback=True)
    assert fallen.runs_on == OnnxEmbedder(release).runs_on


def test_a_graph_of_another_width_than_the_manifest_is_refused(release):
    manifest = release.manifest.model_copy(update={"dim": 128})
    with pytest.raises(ReleaseError, match="gives vectors of 384, its manifest says 128"):
        OnnxEmbedder(type(release)(release.folder, manifest))


def test_a_text_run_alone_has_the_same_vector_whatever_stands_beside_it(release):
    alone = OnnxEmbedder(release, threads=1, token_budget=1)
    first, again = alone.embed(["Baker."]), alone.embed(["Plumber in Lyon.", "Baker.", "word " * 500])
    np.testing.assert_array_equal(first[0], again[1])


def test_the_longest_text_the_model_reads_decides_where_a_text_is_cut(embedder, release):
    longest = "word " * (release.manifest.max_tokens - 2)
    np.testing.assert_array_equal(embedder.embed([longest]), embedder.embed([longest + "plumber " * 100]))


@pytest.mark.parametrize(
    ("question", "right", "wrong"),
    [
        ("oncologist treating tumours", "cancer doctor", "plumber"),
        ("someone to fix my leaking tap", "plumbing and pipe repair", "criminal defence lawyer"),
        ("who looks after sick dogs and cats", "veterinary surgeon", "software engineer"),
        ("help with my tax return", "accountant for small businesses", "primary school teacher"),
        ("protects networks against hackers", "information security analyst", "violin maker"),
    ],
)
def test_a_lay_question_is_nearer_to_the_right_occupation(embedder, question, right, wrong):
    asked, near, far = embedder.embed([question, right, wrong])
    assert asked @ near > asked @ far + 0.1


def test_a_file_that_is_no_graph_is_refused(release, tmp_path):
    (tmp_path / "model.int8.onnx").write_bytes(b"not a graph")
    (tmp_path / "tokenizer.json").write_bytes(release.tokenizer_file.read_bytes())
    with pytest.raises(ReleaseError, match="cannot be loaded"):
        OnnxEmbedder(type(release)(tmp_path, release.manifest))
