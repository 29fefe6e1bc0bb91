import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.kith_process import ROOT
from workers.embedding import OnnxEmbedder
from workers.matched_text import MAX_PART_CHARS, MAX_PARTS, nearest_parts, parts_of
from workers.release import load_release


@given(st.text(max_size=3000))
def test_parts_are_few_short_and_of_the_text(text):
    parts = parts_of(text)
    assert 1 <= len(parts) <= MAX_PARTS
    assert all(len(part) <= MAX_PART_CHARS for part in parts)
    assert all(part.removesuffix("…") in text for part in parts)


def test_the_nearest_sentence_is_chosen_for_each_question():
    embedder = OnnxEmbedder(load_release(ROOT / "models" / "student-v1"), threads=1)
    text = "Works at City Hospital. Operates on brain tumours. Plays the cello at weekends."
    queries = embedder.embed(["who operates on the brain?", "musician"])
    assert nearest_parts(embedder, np.asarray(queries), [[text], [text]]) == [
        ["Operates on brain tumours."],
        ["Plays the cello at weekends."],
    ]
