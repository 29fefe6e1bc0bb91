import pytest

from workers.contract import Hit, ProfileFields, WordHit
from workers.keyword_ranking import ranked
from workers.words import asked, profile_words

FILLER = "Takes care of everything that comes up in a day, and of what is left from the day before."


def found(*people):
    return [
        WordHit(Hit(name, 1, score, ProfileFields(name), text), profile_words(name, text))
        for name, text, score in ((*one, 0.0) if len(one) == 2 else one for one in people)
    ]


def order(question, *people):
    return [one.hit.profile_id for one in ranked(asked(question), found(*people))]


def test_who_is_named_so_comes_before_who_only_mentions_it():
    people = [("Paul Roe", "Works with Anna and with Schmidt & Sons."), ("Anna Lee", FILLER), ("Anna Schmidt", FILLER)]
    assert order("anna schmidt", *people)[0] == "Anna Schmidt"


def test_a_full_name_comes_before_a_longer_one_that_begins_with_it():
    assert order("Ana Vasconcelos", ("Ana Vasconcelos Nogueira", ""), ("Ana Vasconcelos", FILLER * 5))[0] == (
        "Ana Vasconcelos"
    )


def test_words_together_come_before_the_same_words_apart():
    apart = ("Ann Ash", "Asset clerk for Garside. Management of assets.")
    together = ("Bea Bly", f"{FILLER} Trader at Garside Asset Management. {FILLER}")
    assert order("Garside Asset Management", apart, together) == ["Bea Bly", "Ann Ash"]


def test_scores_of_the_index_do_not_count():
    first = found(("Ada", "Welder", 9.0), ("Bob", "Welder of ships", 0.1))
    second = found(("Ada", "Welder", 0.1), ("Bob", "Welder of ships", 9.0))
    question = asked("ships welder")
    assert ranked(question, first) == ranked(question, second)


def test_who_holds_no_word_is_left_out_and_equals_keep_the_order_of_their_ids():
    assert order("welder", ("Zoe", "Welder."), ("Bob", "Baker."), ("Amy", "Welder.")) == ["Amy", "Zoe"]
    assert order("???", ("Bob", "Baker.")) == []
    assert order("welder") == []


@pytest.mark.parametrize(
    ("question", "coverage", "is_named", "has_phrase"),
    [
        ("welder", 1.0, False, False),
        ("ship welder", 1.0, False, True),
        ("welder of ship hulls", 2 / 3, False, False),
        ("Ada Byron", 1.0, True, True),
        ("who knows Ada Byron?", 1.0, True, True),
        ("Byron, Ada", 1.0, True, True),
        ("Müller ship welder", 2 / 3, False, False),
        ("Ada", 1.0, False, False),
    ],
)
def test_what_is_told_of_a_hit(question, coverage, is_named, has_phrase):
    (one,) = ranked(asked(question), found(("Ada Byron", "Ship welder.")))
    assert one.coverage == pytest.approx(coverage)
    assert (one.is_named, one.has_phrase) == (is_named, has_phrase)


@pytest.mark.parametrize(
    ("name", "question", "is_named"),
    [
        ("Anouk van den Berg", "anouk van den berg", True),
        ("Anouk van den Berg", "who is Anouk Berg?", True),
        ("Anouk van den Berg", "op den berg", False),
        ("Anouk van den Berg", "manager van den haven", False),
        ("Will Smith", "will smith", True),
        ("Will Smith", "will smith a knife", False),
    ],
)
def test_function_words_alone_name_nobody(name, question, is_named):
    assert [one.is_named for one in ranked(asked(question), found((name, "")))] in ([is_named], [])
