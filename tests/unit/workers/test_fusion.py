import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.search_records import Explanation
from workers.contract import Hit, ProfileFields
from workers.fusion import RANK_CONSTANT, by_meaning, by_words, fused
from workers.keyword_ranking import Ranked


def hit(name, score=0.5):
    return Hit(name, 1, score, ProfileFields(name), "")


def worded(name, score=2.0, coverage=1.0, **told):
    return Ranked(hit(name, score), coverage, **told)


def names(explained):
    return [one.hit.profile_id for one in explained]


def test_each_hit_has_the_sum_of_its_reciprocal_ranks_and_says_why():
    both = fused([hit("a", 0.9), hit("b", 0.8)], [worded("b", 4.0), worded("c", 3.0)], 10)
    assert names(both) == ["b", "a", "c"]
    assert [one.hit.score for one in both] == pytest.approx(
        [1 / (RANK_CONSTANT + 2) + 1 / (RANK_CONSTANT + 1), 1 / (RANK_CONSTANT + 1), 1 / (RANK_CONSTANT + 2)]
    )
    assert [one.why for one in both] == [
        Explanation(2, 0.8, 1, 4.0),
        Explanation(1, 0.9),
        Explanation(keyword_rank=2, keyword_score=3.0),
    ]


def test_of_equals_the_one_with_the_words_comes_first():
    assert names(fused([hit("a")], [worded("b")], 10)) == ["b", "a"]


def test_who_holds_few_of_the_words_does_not_count():
    assert names(fused([hit("a"), hit("b")], [worded("b", coverage=0.5), worded("c", coverage=0.5)], 10)) == ["a", "b"]


@pytest.mark.parametrize("told", [{"is_named": True}, {"has_phrase": True}, {"is_named": True, "coverage": 0.4}])
def test_a_question_that_turns_out_to_be_a_name_or_phrase_is_answered_by_its_words_first(told):
    meant = [hit(f"m{n}") for n in range(5)]
    assert names(fused(meant, [worded("w1", **told), worded("w2"), worded("m4")], 4)) == ["w1", "w2", "m4", "m0"]


def test_a_phrase_further_down_decides_nothing():
    assert names(fused([hit("a"), hit("b")], [worded("b"), worded("c", has_phrase=True)], 2)) == ["b", "a"]


def test_one_ranking_alone_stays_as_it_is():
    assert names(by_meaning([hit("a"), hit("b")])) == ["a", "b"]
    assert [one.why.semantic_rank for one in by_meaning([hit("a"), hit("b")])] == [1, 2]
    assert [(one.hit.profile_id, one.why) for one in by_words([worded("a", 3.0), worded("b")], 1)] == [
        ("a", Explanation(keyword_rank=1, keyword_score=3.0))
    ]
    assert names(fused([hit("a"), hit("b")], [], 10)) == ["a", "b"]


rankings = st.lists(st.sampled_from("abcdefgh"), unique=True)


@given(rankings, rankings, st.integers(1, 10))
def test_nobody_comes_twice_and_scores_fall(meant, words, limit):
    out = fused([hit(name) for name in meant], [worded(name) for name in words], limit)
    assert len(names(out)) == len(set(names(out))) == min(limit, len({*meant, *words}))
    assert [one.hit.score for one in out] == sorted((one.hit.score for one in out), reverse=True)
