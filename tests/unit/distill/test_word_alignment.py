from distill.word_alignment import word_translations

PAIRS = [
    (["das", "dach"], ["the", "roof"]),
    (["das", "haus"], ["the", "house"]),
    (["ein", "dach"], ["a", "roof"]),
    (["ein", "haus"], ["a", "house"]),
]


def test_words_that_come_together_are_translations():
    assert word_translations(PAIRS) == {"das": "the", "dach": "roof", "haus": "house", "ein": "a"}


def test_a_word_seen_once_is_not_judged():
    assert word_translations([(["dach"], ["roof"])]) == {}
