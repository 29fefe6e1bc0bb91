"""Modes of a search, above an index in memory: what is asked of model and index, and what the reply says."""

from dataclasses import replace

import pytest

from kith.errors import Unavailable
from schemas.search_records import Explanation, FilterOperator, ReplyStatus, RequestFilter, SearchMode, SearchRequest
from tests.fakes import DIM, BagOfWordsEmbedder, BruteForceIndex, serving
from workers.contract import CollectionInfo, ProfileFields, Row
from workers.retrieval import Retrieval
from workers.search import QueryLimits, Searcher

PEOPLE = {
    "ada": ("Ada Byron", "Engineer of engines. Plays chess.", "FR"),
    "bob": ("Bob Baker", "Pastry chef. Bread is what he bakes at Larkspur Mills.", "DE"),
    "eve": ("Eve Byron", "Engineer of roads.", "FR"),
}


class WordsAway(BruteForceIndex):
    def search_words(self, *_args, **_more):
        raise Unavailable("The words are away.")


class Bench:
    def __init__(self, index=None, *, keywords=True):
        self.embedder, self.index = BagOfWordsEmbedder(), index or BruteForceIndex()
        vectors = self.embedder.embed([text for _, text, _ in PEOPLE.values()])
        rows = [
            Row(name, 1, ProfileFields(name=full, country=country), text, vector)
            for (name, (full, text, country)), vector in zip(PEOPLE.items(), vectors, strict=True)
        ]
        self.index.upsert("c", rows, 1)
        collection = CollectionInfo("c", "student-v0", "profile-text-1", DIM, keywords=keywords)
        self.searcher = Searcher(
            serving(self.embedder), Retrieval(self.index, 5), lambda: collection, QueryLimits(10, 100)
        )
        self.embedder.calls.clear()

    def ask(self, *requests):
        return self.searcher.answer([replace(one, with_matched_text=False) for one in requests], 0)


def ids(reply):
    return [hit.profile_id for hit in reply.hits]


def test_words_alone_cost_no_embedding_and_find_a_name():
    bench = Bench()
    (reply,) = bench.ask(SearchRequest("byron ada", mode=SearchMode.KEYWORD))
    assert (reply.mode, ids(reply)) == ("keyword", ["ada", "eve"])
    assert (bench.embedder.calls, bench.index.searches, bench.index.word_searches) == ([], 0, 1)
    assert reply.embed_ms == 0


def test_a_name_is_found_first_by_itself():
    (reply,) = Bench().ask(SearchRequest("Eve Byron"))
    assert (reply.mode, ids(reply)[0]) == ("hybrid", "eve")
    assert len(reply.hits) == len(PEOPLE), "meaning fills up behind"


def test_a_sentence_asks_nothing_of_the_words():
    bench = Bench()
    (reply,) = bench.ask(SearchRequest("who plays chess?"))
    assert (reply.mode, ids(reply)[0]) == ("semantic", "ada")
    assert bench.index.word_searches == 0
    assert -1 <= reply.hits[0].score <= 1


def test_what_asks_alike_goes_to_the_index_in_one_call_of_each_kind():
    bench = Bench()
    modes = (SearchMode.KEYWORD, SearchMode.HYBRID, SearchMode.HYBRID, SearchMode.SEMANTIC, SearchMode.KEYWORD)
    replies = bench.ask(*(SearchRequest("bread", mode=mode) for mode in modes))
    assert [reply.mode for reply in replies] == [mode.value for mode in modes]
    assert bench.index.word_searches == 1
    assert bench.index.searches == 2, "hybrid questions look deeper than they show"
    assert bench.embedder.calls == [1], "the same question once"
    assert all(ids(reply)[0] == "bob" for reply in replies)


def test_filters_and_limit_hold_in_every_mode():
    only = [RequestFilter("country", FilterOperator.IN, ["FR"])]
    for mode in SearchMode:
        (reply,) = Bench().ask(SearchRequest("Baker or engineer Byron", limit=1, filters=only, mode=mode))
        assert len(reply.hits) == 1
        assert ids(reply)[0] in {"ada", "eve"}


def test_hits_are_explained_only_when_asked():
    request = SearchRequest("Ada Byron", mode=SearchMode.HYBRID)
    plain, explained = Bench().ask(request, replace(request, explain=True))
    assert {hit.explanation for hit in plain.hits} == {None}
    why = explained.hits[0].explanation
    assert (why.keyword_rank, why.semantic_rank is not None) == (1, True)
    assert explained.hits[1].explanation.keyword_rank is None, "half of a name is left to meaning"


@pytest.mark.parametrize(
    ("mode", "has"),
    [
        (SearchMode.SEMANTIC, ("semantic_rank", "semantic_score")),
        (SearchMode.KEYWORD, ("keyword_rank", "keyword_score")),
    ],
)
def test_one_way_is_explained_by_its_own_rank_and_score(mode, has):
    (reply,) = Bench().ask(SearchRequest("bread", mode=mode, explain=True))
    for rank, hit in enumerate(reply.hits, start=1):
        assert hit.explanation == Explanation(**{has[0]: rank, has[1]: hit.score})


@pytest.mark.parametrize("mode", [SearchMode.KEYWORD, SearchMode.HYBRID])
def test_a_collection_without_words_refuses_what_needs_them(mode):
    bench = Bench(keywords=False)
    refused, other = bench.ask(SearchRequest("Ada Byron", mode=mode), SearchRequest("Ada Byron"))
    assert refused.status is ReplyStatus.BAD_REQUEST
    assert f"cannot be searched by words, so not in the mode {mode.value}" in refused.error
    assert (other.status, other.mode) == (ReplyStatus.OK, "semantic")
    assert bench.index.word_searches == 0


def test_words_that_are_away_leave_the_questions_of_meaning_alone():
    both, meant = Bench(WordsAway()).ask(SearchRequest("Ada Byron"), SearchRequest("who plays chess?"))
    assert (both.status, both.error) == (ReplyStatus.UNAVAILABLE, "The words are away.")
    assert meant.status is ReplyStatus.OK


def test_a_question_without_words_finds_nobody_by_words():
    (reply,) = Bench().ask(SearchRequest("???", mode=SearchMode.KEYWORD))
    assert (reply.status, reply.hits) == (ReplyStatus.OK, [])


def test_the_matched_text_of_a_search_by_words_is_the_sentence_that_holds_them():
    bench = Bench()
    (reply,) = bench.searcher.answer([SearchRequest("larkspur", mode=SearchMode.KEYWORD)], 0)
    assert reply.hits[0].matched_text == "Bread is what he bakes at Larkspur Mills."
    assert bench.embedder.calls == []
