import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.limits import WORDS_LIMIT
from workers.words import asked, profile_words, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("José Ángel Łukasz Ørsted", ["jose", "angel", "lukasz", "orsted"]),
        ("ＪＯＨＮ ｓｍｉｔｈ", ["john", "smith"]),
        ("e\u0301lodie", ["elodie"]),
        ("zero\u200bwidth soft\u00adhyphen", ["zerowidth", "softhyphen"]),
        ("Straße", ["strasse"]),
        ("Müller", ["muller", "mueller"]),
        ("Иван Ёлкин", ["иван", "елкин"]),
        ("山田太郎", ["山田", "田太", "太郎"]),
        ("김민준", ["김민", "민준"]),
        ("สมชาย", ["สม", "มช", "ชา", "าย"]),
        ("東京の歯科医 Anna", ["東京", "京の", "の歯", "歯科", "科医", "anna"]),
        ("C++, C#, .NET", ["cplusplus", "csharp", "net"]),
        ("O'Brien-Smith", ["o", "brien", "smith"]),
        ("snake_case", ["snake", "case"]),
        ("Köln\n2024", ["koln", "koeln", "2024"]),
        ("👩🏽‍🔬 … !?", []),
    ],
)
def test_words_are_plain(text, words):
    assert words_of(text) == words


@given(st.text(max_size=200))
def test_no_analyzer_finds_more_in_a_word_than_the_word(text):
    for word in words_of(text):
        assert re.findall(r"\w+", word) == [word]
        assert not any(unicodedata.category(character).startswith(("M", "C")) for character in word)


@given(st.text(max_size=200))
def test_words_of_words_are_the_same_words(text):
    spaced = [word for word in words_of(text) if word.isascii()]
    assert words_of(" ".join(spaced)) == spaced


def meet(name, question):
    """Whether a question asks for this whole name, in any order."""
    held = profile_words(name, "").split()
    return [joined for joined in asked(question).names if joined.startswith("0") and joined in held] != []


@pytest.mark.parametrize(
    ("name", "question"),
    [
        ("Jürgen Müller", "Juergen Mueller"),
        ("Jürgen Müller", "jurgen muller"),
        ("Juergen Mueller", "Jürgen Müller"),
        ("Élodie Guérin", "GUERIN, Elodie"),
        ("Anouk van den Berg", "anouk van den berg"),
        ("山田太郎", "山田太郎"),
        ("Ｊｏｈｎ Smith", "john smith"),
    ],
)
def test_a_name_meets_its_other_spellings(name, question):
    assert meet(name, question)


@pytest.mark.parametrize(("name", "question"), [("Ana Vasconcelos Nogueira", "Ana Vasconcelos"), ("Ann Lee", "Lee")])
def test_a_part_of_a_name_is_not_the_whole(name, question):
    assert not meet(name, question)


def test_function_words_are_left_out_where_others_remain():
    assert asked("who is in Berlin?").words == (("berlin",),)
    assert asked("to be or not to be").words != ()
    assert asked("Will May").names == ("willmay", "0maywill", "maywill")
    assert asked("who is Ann Lee").sure_names == {"annlee", "leeann", "0annisleewho"}


def test_a_long_question_is_no_name_and_costs_no_more_than_its_limit():
    question = asked(" ".join(f"word{n}" for n in range(500)))
    assert question.names == ()
    assert len(question.words) < 100


@pytest.mark.parametrize("text", ["ﷺ" * 2700, "字" * 2700, "word " * 1600, "é" * 4096])
def test_words_keep_to_their_limit(text):
    words = profile_words("山" * 170, text)
    assert len(words.encode()) <= WORDS_LIMIT.max_bytes
    assert words == words.strip()


def test_neighbours_stand_together_whatever_stands_between_them():
    assert asked("Bank of Müller").pairs == ("bankmuller",)
