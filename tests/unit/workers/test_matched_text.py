from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import BagOfWordsEmbedder
from tests.kith_process import ROOT
from workers.embedding import OnnxEmbedder
from workers.kept_vectors import KeptVectors
from workers.matched_text import MAX_PART_CHARS, MAX_PARTS, Passages, parts_of
from workers.release import load_release


@given(st.text(max_size=3000))
def test_parts_are_few_short_and_of_the_text(text):
    parts = parts_of(text)
    assert 1 <= len(parts) <= MAX_PARTS
    assert all(len(part) <= MAX_PART_CHARS for part in parts)
    assert all(part.removesuffix("…") in text for part in parts)


SURGEON = "Works at City Hospital. Operates on brain tumours. Plays the cello at weekends."


def test_the_nearest_sentence_is_chosen_for_each_question():
    embedder = OnnxEmbedder(load_release(ROOT / "models" / "student-v1"), threads=1)
    queries = embedder.embed(["who operates on the brain?", "musician"])
    assert Passages(KeptVectors(10)).nearest(embedder, "v1", list(queries), [[SURGEON], [SURGEON]]) == [
        ["Operates on brain tumours."],
        ["Plays the cello at weekends."],
    ]


def test_a_sentence_that_was_chosen_from_before_is_not_embedded_again():
    embedder = BagOfWordsEmbedder()
    query, passages = embedder.embed(["plays the cello at weekends"])[0], Passages(KeptVectors(10))
    embedder.calls.clear()
    first = passages.nearest(embedder, "v1", [query], [[SURGEON]])
    again = passages.nearest(embedder, "v1", [query], [[SURGEON, "Plays the flute. Plays the cello at weekends."]])
    assert embedder.calls == [3, 1]
    assert [first, again] == [[["Plays the cello at weekends."]], [["Plays the cello at weekends."] * 2]]


def test_whoever_there_is_no_time_for_gets_none_and_the_first_always_gets_hers():
    embedder = BagOfWordsEmbedder()
    queries = list(embedder.embed(["plays the cello at weekends", "brain", "hospital"]))
    found = Passages(KeptVectors(0), most_s=0.0).nearest(embedder, "v1", queries, [[SURGEON]] * 3)
    assert found == [["Plays the cello at weekends."], None, None]
