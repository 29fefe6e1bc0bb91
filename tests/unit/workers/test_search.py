from dataclasses import replace

import pytest

from kith.errors import Unavailable
from schemas.search_records import FilterOperator, RecordPlace, ReplyStatus, RequestFilter, SearchRequest
from tests.fakes import DIM, BagOfWordsEmbedder, BruteForceIndex, serving
from workers.contract import CollectionInfo, ProfileFields, Row
from workers.kept_vectors import KeptVectors
from workers.matched_text import Passages
from workers.retrieval import MOST_MATCHED, Retrieval
from workers.search import QueryLimits, Searcher

NOW = 1_000_000
TEXTS = {
    "ada": "Engineer of engines. Plays chess.",
    "bob": "Baker of bread. Sings in a choir.",
    "eve": "Engineer of roads.",
}


class Bench:
    def __init__(self, model: str = "student-v0") -> None:
        self.embedder, self.index = BagOfWordsEmbedder(), BruteForceIndex()
        vectors = self.embedder.embed(list(TEXTS.values()))
        rows = [
            Row(name, 3, ProfileFields(name=name, country="DE" if name == "bob" else "FR"), text, vector)
            for (name, text), vector in zip(TEXTS.items(), vectors, strict=True)
        ]
        self.index.upsert("c", rows, 1)
        self.resolved = 0
        self.collection = CollectionInfo("c", model, "profile-text-1", DIM)
        self.searcher = self.build(self.resolve)
        self.embedder.calls.clear()

    def build(self, resolve, max_limit=10) -> Searcher:
        return Searcher(
            serving(self.embedder), Retrieval(self.index, 5), resolve, QueryLimits(max_limit=max_limit, max_chars=50)
        )

    def resolve(self) -> CollectionInfo:
        self.resolved += 1
        return self.collection

    def answer(self, *requests: SearchRequest):
        return self.searcher.answer(requests, NOW)


def test_replies_come_in_the_order_of_the_requests_from_one_embedding_run():
    bench = Bench()
    replies = bench.answer(
        SearchRequest("bread", with_matched_text=False),
        SearchRequest(" "),
        SearchRequest("engines", limit=1, with_matched_text=False),
    )
    assert [reply.status for reply in replies] == [ReplyStatus.OK, ReplyStatus.BAD_REQUEST, ReplyStatus.OK]
    assert replies[0].hits[0].profile_id == "bob"
    assert [hit.profile_id for hit in replies[2].hits] == ["ada"]
    assert bench.embedder.calls == [2]


def test_requests_that_ask_alike_go_to_the_index_together():
    bench = Bench()
    bench.answer(*(SearchRequest(word, with_matched_text=False) for word in ("bread", "roads", "chess")))
    assert bench.index.searches == 1


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (SearchRequest("\n\t "), "empty"),
        (SearchRequest("x" * 51), "51 characters"),
        (SearchRequest("x", limit=0), "limit is 0"),
        (SearchRequest("x", limit=11), "limit is 11"),
        (SearchRequest("x", filters=[RequestFilter("secret", FilterOperator.EQ, ["1"])]), "secret"),
        (SearchRequest("x", filters=[RequestFilter("country", FilterOperator.EQ, ["DE", "FR"])]), "country"),
    ],
)
def test_what_will_never_be_answered_is_a_bad_request_and_harms_no_other(request_, said):
    refused, other = Bench().answer(request_, SearchRequest("bread"))
    assert refused.status is ReplyStatus.BAD_REQUEST
    assert said in refused.error
    assert other.status is ReplyStatus.OK


def test_an_expired_request_is_not_worked_on():
    bench = Bench()
    (reply,) = bench.answer(SearchRequest("bread", deadline_at=NOW - 5))
    assert (reply.status, reply.error) == (ReplyStatus.EXPIRED, "The deadline passed 5 ms ago.")
    assert bench.embedder.calls == []


def test_filters_hold():
    (reply,) = Bench().answer(SearchRequest("bread", filters=[RequestFilter("country", FilterOperator.IN, ["FR"])]))
    assert {hit.profile_id for hit in reply.hits} == {"ada", "eve"}


def test_the_matched_text_is_the_nearest_sentence():
    (reply,) = Bench().answer(SearchRequest("choir sings", limit=1))
    assert reply.hits[0].matched_text == "Sings in a choir."


def test_an_index_that_is_away_is_said_and_asked_again_later():
    bench = Bench()
    bench.index.away = True
    (reply,) = bench.answer(SearchRequest("bread"))
    assert (reply.status, reply.error) == (ReplyStatus.UNAVAILABLE, "The index is away.")
    bench.index.away = False
    assert bench.answer(SearchRequest("bread"))[0].status is ReplyStatus.OK
    assert bench.resolved == 2, "the alias is looked up again after a failure"


def test_a_collection_of_another_model_is_never_searched():
    bench = Bench(model="student-v1")
    (reply,) = bench.answer(SearchRequest("bread"))
    assert reply.status is ReplyStatus.UNAVAILABLE
    assert "student-v1" in reply.error
    assert (bench.embedder.calls, bench.index.searches) == ([], 0)


def test_an_alias_that_cannot_be_resolved_is_unavailable():
    bench = Bench()

    def gone() -> CollectionInfo:
        raise Unavailable("no alias")

    bench.searcher = bench.build(gone)
    assert bench.answer(SearchRequest("bread"))[0].status is ReplyStatus.UNAVAILABLE


def test_only_the_first_hits_cost_an_embedding_of_their_sentences():
    bench = Bench()
    rows = [
        Row(f"p{n}", 1, ProfileFields(name="n"), f"Choir {n}. Sings in choir {n}.", bench.embedder.embed(["choir"])[0])
        for n in range(30)
    ]
    bench.index.upsert("c", rows, 1)
    bench.searcher = bench.build(bench.resolve, max_limit=100)
    bench.embedder.calls.clear()
    (reply,) = bench.answer(SearchRequest("sings", limit=30))
    assert len(reply.hits) == 30
    assert all(hit.matched_text for hit in reply.hits)
    assert len(bench.embedder.calls) == 2
    assert bench.embedder.calls[1] <= 2 * MOST_MATCHED


def test_a_request_is_not_answered_before_the_index_holds_what_it_names():
    bench, reached = Bench(), [RecordPlace("changes", 0, 4)]
    bench.searcher = Searcher(
        serving(bench.embedder), Retrieval(bench.index, 5, lambda _model: reached), bench.resolve, QueryLimits(10, 50)
    )
    own, other = SearchRequest("bread", at_least=[RecordPlace("changes", 0, 5)]), SearchRequest("roads")
    late, answered = bench.answer(own, other)
    assert (late.status, answered.status) == (ReplyStatus.NOT_YET, ReplyStatus.OK)
    assert late.watermark == answered.watermark == reached
    reached[:] = [RecordPlace("changes", 0, 5)]
    (reply,) = bench.answer(own)
    assert (reply.status, reply.hits[0].profile_id) == (ReplyStatus.OK, "bob")
    assert bench.index.newest == [False, True], "such a search sees every acknowledged write"


def test_the_next_page_begins_where_the_last_one_ended():
    bench = Bench()
    first, second, third = bench.answer(
        SearchRequest("bread", limit=2), SearchRequest("bread", limit=2, offset=2), SearchRequest("bread", offset=9)
    )
    assert [hit.profile_id for hit in first.hits + second.hits] == [
        hit.profile_id for hit in bench.answer(SearchRequest("bread", limit=3))[0].hits
    ]
    assert (len(second.hits), third.hits, third.status) == (1, [], ReplyStatus.OK)
    for wrong in (SearchRequest("bread", offset=-1), SearchRequest("bread", limit=10, offset=991)):
        (reply,) = bench.answer(wrong)
        assert reply.status is ReplyStatus.BAD_REQUEST
        assert "offset" in reply.error
    assert bench.answer(SearchRequest("bread", limit=10, offset=990))[0].status is ReplyStatus.OK


def test_a_model_that_was_asked_for_answers_or_the_request_is_refused():
    bench = Bench()
    live, other = bench.answer(SearchRequest("bread", model="student-v0"), SearchRequest("bread", model="student-v9"))
    assert (live.status, live.model) == (ReplyStatus.OK, "student-v0")
    assert other.status is ReplyStatus.BAD_REQUEST
    assert "student-v0 does" in other.error


def test_a_question_that_was_asked_before_is_not_embedded_again():
    bench = Bench()
    kept = Retrieval(bench.index, 5, kept=KeptVectors(10))
    searcher = Searcher(serving(bench.embedder), kept, bench.resolve, QueryLimits(10, 50))
    request = SearchRequest("bread", with_matched_text=False)
    first, again = searcher.answer([request], NOW), searcher.answer([request], NOW)
    assert first[0].hits == again[0].hits
    assert bench.embedder.calls == [1]


def test_hits_show_their_beginning_and_say_so_when_choosing_takes_too_long():
    bench = Bench()
    hurried = Retrieval(bench.index, 5, passages=Passages(KeptVectors(0), most_s=0.0))
    searcher = Searcher(serving(bench.embedder), hurried, bench.resolve, QueryLimits(10, 50))
    first, second, plain = searcher.answer(
        [SearchRequest("bread"), SearchRequest("roads"), SearchRequest("chess", with_matched_text=False)], NOW
    )
    assert (first.degraded, second.degraded, plain.degraded) == ([], ["matched_text"], [])
    assert all(hit.matched_text for hit in second.hits)
    assert second.hits == [
        replace(hit, matched_text=other.matched_text)
        for hit, other in zip(bench.answer(SearchRequest("roads"))[0].hits, second.hits, strict=True)
    ]
