import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from distill.synthetic import synthetic_profiles
from distill.taxonomy import LANGUAGES, LEVELS, ROOT, TaxonomyError, load_demo_questions, load_taxonomy
from distill.words import shared_stems
from workers.render import render

TAXONOMY = load_taxonomy()


def test_it_is_broad() -> None:
    assert len(TAXONOMY.occupations) >= 160
    assert len({o.industry for o in TAXONOMY.occupations}) >= 20
    assert len({place.city for place in TAXONOMY.places}) >= 60
    assert {place.language for place in TAXONOMY.places} == set(LANGUAGES)
    assert len(TAXONOMY.names) >= 20


def test_ids_are_unique_and_plain() -> None:
    ids = [o.id for o in TAXONOMY.occupations]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", i) for i in ids)


def test_every_occupation_is_told_in_every_language() -> None:
    for occupation in TAXONOMY.occupations:
        assert set(occupation.local) == set(LANGUAGES[1:])
        assert all(len(text.phrases) >= 3 for text in occupation.local.values()), occupation.id
        assert all(text.needs for text in occupation.local.values()), occupation.id


def test_levels_are_in_order_and_the_middle_one_is_there() -> None:
    for occupation in TAXONOMY.occupations:
        assert "mid" in occupation.titles
        assert list(occupation.titles) == [level for level in LEVELS if level in occupation.titles]
        assert len(set(occupation.titles.values())) == len(occupation.titles), occupation.id


def test_no_two_occupations_share_a_task_a_title_or_a_lay_need() -> None:
    for texts in (
        [t.casefold() for o in TAXONOMY.occupations for t in o.tasks],
        [o.titles["mid"].casefold() for o in TAXONOMY.occupations],
        [need.casefold() for o in TAXONOMY.occupations for need in o.lay_needs],
    ):
        assert [text for text, count in Counter(texts).items() if count > 1] == []


def test_tasks_begin_with_a_verb_in_the_base_form() -> None:
    odd = [t for o in TAXONOMY.occupations for t in o.tasks if re.match(r"[A-Z]|\w+(ing|ed)\b", t)]
    assert [t for t in odd if t.split()[0] not in {"bring", "string", "feed", "bleed", "breed"}] == []


def test_most_lay_needs_use_none_of_the_words_of_the_occupation() -> None:
    apart: dict[str, list[bool]] = {}
    for occupation in TAXONOMY.occupations:
        employers = [pattern for kind in occupation.employers for pattern in TAXONOMY.employers[kind]["en"]]
        said = (*occupation.own_texts, *employers)
        apart[occupation.id] = [not shared_stems(need, said) for need in occupation.lay_needs]
    assert [id_ for id_, needs in apart.items() if not any(needs)] == []
    every = [need for needs in apart.values() for need in needs]
    assert sum(every) >= 0.8 * len(every)


def test_demo_questions_use_no_word_of_any_right_profile() -> None:
    questions = load_demo_questions()
    assert len(questions) == 12
    texts: dict[str, list[str]] = {}
    for made in synthetic_profiles(5000, seed=7):
        texts.setdefault(made.occupation_id, []).append(render(made.profile))
    for question in questions:
        for occupation_id in question.occupations:
            assert len(texts[occupation_id]) >= 5, f"too few right answers to {question.text!r}"
            assert shared_stems(question.text, texts[occupation_id]) == frozenset(), question.text


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("industries/sport.toml", 'id = "football-coach"', 'id = "sailing-instructor"', "sailing-instructor"),
        ("industries/sport.toml", 'field = "aquatics"', 'fields = "aquatics"', r"sport.toml: .*swimming-coach.fields"),
        ("industries/sport.toml", 'study = "vocational"', 'study = "street"', r"swimming-coach.study"),
        ("industries/sport.toml", '"gym", "sports_club", "municipality"', '"pool"', "unknown kind pool"),
        ("common/places.toml", 'language = "pl"', 'language = "xx"', "Warszawa"),
        ("common/ladders.toml", "[service]", "[servant]", "ladders.toml: service"),
        ("common/names.toml", "[finnish]", "[finnish", "names.toml: cannot be read"),
        ("demo_questions.toml", '"luthier"', '"luthiers"', "luthiers"),
    ],
)
def test_a_mistake_is_named_with_file_and_key(tmp_path: Path, file: str, old: str, new: str, said: str) -> None:
    root = tmp_path / "taxonomy"
    shutil.copytree(ROOT, root)
    text = (root / file).read_text(encoding="utf-8")
    assert old in text
    (root / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(TaxonomyError, match=said):
        load_demo_questions(root)


def test_an_unknown_occupation_is_an_error() -> None:
    with pytest.raises(TaxonomyError, match="astrologer"):
        TAXONOMY.occupation("astrologer")
