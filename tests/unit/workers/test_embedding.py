import numpy as np
import psutil
import pytest

from kith.errors import InputError, ReleaseError, SettingsError
from tests.kith_process import ROOT
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


def test_a_provider_that_is_not_there_is_an_error_and_no_fallback(release):
    with pytest.raises(SettingsError, match="KITH_PROVIDER is cuda"):
        OnnxEmbedder(release, provider="cuda")


def test_an_unknown_provider_is_refused_with_those_there_are(release):
    with pytest.raises(SettingsError, match=r"KITH_PROVIDER is tpu\. Set it to one of cpu, cuda"):
        OnnxEmbedder(release, provider="tpu")


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
