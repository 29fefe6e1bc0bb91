from distill.words import content_stems, shared_stems


def test_stop_words_and_endings_go() -> None:
    assert content_stems("Who knows about treating cancers?") == content_stems("cancer treatment")


def test_forms_of_a_word_are_shared() -> None:
    assert shared_stems("my teeth need straightening", ["straightens smiles"]) == {"straighten"}
    assert shared_stems("a child", ["works with children"]) == {"child"}


def test_short_stems_are_shared_only_when_equal() -> None:
    assert shared_stems("my car", ["carpets"]) == frozenset()
    assert shared_stems("my car", ["repairs cars"]) == {"car"}
