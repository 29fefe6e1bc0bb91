import numpy as np
import pytest

from kith.errors import InputError
from tests.fakes import BagOfWordsEmbedder
from workers.kept_vectors import KeptVectors


def test_each_question_is_embedded_once_and_comes_back_in_its_place():
    embedder, kept = BagOfWordsEmbedder(), KeptVectors(10)
    first = kept.of(embedder, "v1", ["bread", "roads", "bread"])
    again = kept.of(embedder, "v1", ["roads", "chess", "bread"])
    assert embedder.calls == [2, 1]
    assert (first[0] == first[2]).all()
    assert (again[0] == first[1]).all()
    assert (again[2] == first[0]).all()
    assert (again == embedder.embed(["roads", "chess", "bread"])).all()


def test_a_vector_of_one_model_never_answers_for_another():
    embedder, kept = BagOfWordsEmbedder(), KeptVectors(10)
    kept.of(embedder, "v1", ["bread"])
    kept.of(embedder, "v2", ["bread"])
    assert embedder.calls == [1, 1]


def test_the_last_ones_are_kept_and_no_more():
    embedder, kept = BagOfWordsEmbedder(), KeptVectors(2)
    for query in ("bread", "roads", "bread", "chess", "bread", "roads"):
        kept.of(embedder, "v1", [query])
    assert embedder.calls == [1, 1, 1, 1], "bread stayed, roads went"
    assert len(kept._held) == 2
    none = KeptVectors(0)
    assert none.of(embedder, "v1", ["bread"]).shape == none.of(embedder, "v1", ["bread"]).shape
    assert len(none._held) == 0


def test_a_question_that_cannot_be_embedded_is_not_kept_and_does_not_spoil_the_others():
    class Refusing(BagOfWordsEmbedder):
        def embed(self, texts):
            if "bad" in texts:
                raise InputError("no")
            return super().embed(texts)

    kept = KeptVectors(10)
    with pytest.raises(InputError):
        kept.of(Refusing(), "v1", ["bread", "bad"])
    assert np.isfinite(kept.of(Refusing(), "v1", ["bread"])).all()
