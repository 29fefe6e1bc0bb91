import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.search_records import SearchMode
from workers.query_router import route


@pytest.mark.parametrize("question", ['"site reliability"', "„Anna Schmidt“", "«génie civil»", ' "x" '])
def test_what_is_quoted_is_looked_for_by_its_words(question):
    assert route(question) is SearchMode.KEYWORD


@pytest.mark.parametrize(
    "question",
    [
        "Anna Schmidt",
        "anna schmidt",
        "Anouk van den Berg",
        "O'Brien",
        "SCHMIDT, ANNA",
        "山田太郎",
        "Klinikum Köln",
        "bank of belfast",
        "urologist",
        "kotlin developer",
        "who is Anna Schmidt?",
        "wer arbeitet bei Siemens?",
        "who works at Larkspur University?",
        "mosquito researcher in Wageningen",
        'who said "site reliability"? Ann',
    ],
)
def test_what_may_be_a_name_is_looked_for_both_ways(question):
    assert route(question) is SearchMode.HYBRID


@pytest.mark.parametrize(
    "question",
    [
        "who knows about treating cancer?",
        "I get up five times a night to pee",
        "my daughter has crooked teeth",
        "me cuesta orinar y tengo cincuenta años",
        "qui mesure les vagues et les marées ?",
        "kto robi protezy zębowe?",
        "what is this six-legged thing eating my beans?",
        "",
        "???",
    ],
)
def test_a_sentence_is_looked_for_by_meaning(question):
    assert route(question) is SearchMode.SEMANTIC


@given(st.text(max_size=300))
def test_every_question_has_a_way(question):
    assert route(question) is not SearchMode.AUTO
