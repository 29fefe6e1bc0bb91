"""Rights and plain words around a search: who is never found, what is asked instead, and what a reply says of it."""

import time
from dataclasses import replace

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.rollouts import Rollout, RolloutPhase
from schemas.search_records import FilterOperator, ReplyStatus, RequestFilter, SearchMode, SearchRequest
from tests.fakes import DIM, BagOfWordsEmbedder, BruteForceIndex, serving
from tests.waiting import wait_until
from workers.comparison import CandidateTraffic
from workers.constraints import Constraints
from workers.contract import CollectionInfo, OwnOperator, ProfileFields, Row
from workers.filters import FILTERABLE_FIELDS
from workers.resolved_request import ResolvedRequest, conditions
from workers.retrieval import Retrieval
from workers.rights import Rights
from workers.search import QueryLimits, Searcher
from workers.serving_models import ServingModels

SECRET = "a secret of thirty-two bytes or so"
LABELS = ("public", "board", "hr", "")
IN, EQ, NOT_IN = FilterOperator.IN, FilterOperator.EQ, FilterOperator.NOT_IN
PEOPLE = {
    "ann": ProfileFields("Ann", location="Berlin, Germany", country="DE", languages=("de", "pl")),
    "bob": ProfileFields("Bob", location="Leeds", country="GB", languages=("en",), career_since=2000),
    "cid": ProfileFields("Cid", location="Berlin", country="DE", visibility="board", languages=("sv",)),
    "dan": ProfileFields("Dan", location="Oslo", country="NO", visibility="hr", seniority="senior"),
    "eve": ProfileFields("Eve", location="Oslo", country="NO", visibility=""),
}


def rights(*labels, **claims):
    return jwt.encode({"exp": int(time.time()) + 600, "labels": list(labels)} | claims, SECRET, algorithm="HS256")


class Desk:
    def __init__(self, key=SECRET):
        self.embedder, self.index = BagOfWordsEmbedder(), BruteForceIndex()
        rows = [
            Row(who, 1, fields, f"Baker of bread, {fields.location}.", self.embedder.embed([who])[0])
            for who, fields in PEOPLE.items()
        ]
        self.index.upsert("c", rows, 1)
        collection = CollectionInfo("c", "student-v0", "profile-text-1", DIM)
        self.searcher = Searcher(
            serving(self.embedder),
            Retrieval(self.index, 5),
            lambda: collection,
            QueryLimits(max_limit=100, max_chars=500),
            constraints=Constraints(Rights(key)),
        )
        self.embedder.calls.clear()

    def answer(self, *requests):
        return self.searcher.answer(requests, 0)

    def found(self, query="bread", **fields):
        (reply,) = self.answer(SearchRequest(query, **fields))
        assert reply.status is ReplyStatus.OK, reply.error
        return {hit.profile_id for hit in reply.hits}


@pytest.fixture(scope="module")
def desk():
    return Desk()


def test_only_what_the_rights_name_is_found_beside_what_is_public(desk):
    assert desk.found() == {"ann", "bob"}
    assert desk.found(rights=rights()) == {"ann", "bob"}
    assert desk.found(rights=rights("board")) == {"ann", "bob", "cid"}
    assert desk.found(rights=rights("board", "hr"), requester="x") == {"ann", "bob", "cid", "dan"}


@pytest.mark.parametrize(
    "wanted",
    [
        RequestFilter("visibility", EQ, ["board"]),
        RequestFilter("visibility", IN, ["board", "hr", "public"]),
        RequestFilter("visibility", NOT_IN, ["public"]),
        RequestFilter("visibility", NOT_IN, ["nothing"]),
        RequestFilter("profile_id", EQ, ["cid"]),
        RequestFilter("profile_id", IN, ["cid", "dan", "eve"]),
        RequestFilter("country", IN, ["NO"]),
        RequestFilter("visibility", EQ, [""]),
    ],
)
def test_no_filter_of_a_request_brings_a_hidden_profile_out(desk, wanted):
    assert desk.found(filters=[wanted]) <= {"ann", "bob"}


def test_a_hidden_profile_meets_no_condition_for_who_may_not_see_it(desk):
    ours, theirs = (SearchRequest("baker, speaks Swedish", rights=one) for one in (rights("board"), None))
    seen, hidden = desk.answer(ours, theirs)

    assert ([hit.profile_id for hit in seen.hits], seen.reading.dropped) == (["cid"], False)
    assert ({hit.profile_id for hit in hidden.hits}, hidden.reading.dropped) == ({"ann", "bob"}, True)
    # As for a language that nobody speaks: the reply does not tell the two apart.
    (nobody,) = desk.answer(SearchRequest("baker, speaks Turkish"))
    assert [hit.profile_id for hit in nobody.hits] == [hit.profile_id for hit in hidden.hits]


@pytest.mark.parametrize("token", ["", "x", rights("hr")[:-4], rights("hr", sub="ann"), rights("hr", exp=1)])
def test_rights_that_do_not_hold_answer_nobody_and_are_in_no_word_of_the_reply(desk, token):
    refused, other = desk.answer(SearchRequest("bread", rights=token, requester="eve"), SearchRequest("bread"))

    assert (refused.status, refused.hits) == (ReplyStatus.BAD_REQUEST, [])
    assert "The rights" in refused.error
    assert not token or token not in repr(refused)
    assert other.status is ReplyStatus.OK


def test_rights_need_a_key():
    (refused,) = Desk(key="").answer(SearchRequest("bread", rights=rights("hr")))

    assert (refused.status, refused.hits) == (ReplyStatus.BAD_REQUEST, [])
    assert "KITH_RIGHTS_KEY" in refused.error
    assert Desk(key="").found() == {"ann", "bob"}


def test_a_request_shows_no_token_and_what_is_searched_has_none(desk):
    token = rights("board")
    request = SearchRequest("bread", rights=token)
    handed = []
    Constraints(Rights(SECRET)).answer([request], lambda asked: handed.extend(asked) or desk.answer(*asked))

    assert token not in repr(request)
    assert [(one.rights, one.labels) for one in handed] == [(None, ("board",))]


def test_a_request_that_nobody_resolved_sees_what_is_public():
    assert conditions(SearchRequest("x"))[-1].values == ("public",)
    assert conditions(ResolvedRequest("x", labels=("hr", "public")))[-1].values == ("public", "hr")


def test_requesters_of_one_batch_do_not_see_with_each_others_rights(desk):
    tokens = [None, rights("board"), None, rights("hr"), rights("board", "hr"), None]
    replies = desk.answer(*(SearchRequest("bread", rights=token) for token in tokens))

    assert [{hit.profile_id for hit in reply.hits} - {"ann", "bob"} for reply in replies] == [
        set(), {"cid"}, set(), {"dan"}, {"cid", "dan"}, set()
    ]  # fmt: skip


values = st.sampled_from([*PEOPLE, *LABELS, "DE", "NO", "Berlin", "senior", "de", "5"]) | st.text(max_size=6)
filters = st.lists(
    st.builds(
        RequestFilter,
        st.sampled_from([*FILTERABLE_FIELDS, "career_since", "vector", "visibility or true"]),
        st.sampled_from(FilterOperator),
        st.lists(values, max_size=3),
    ),
    max_size=4,
)
questions = st.sampled_from(
    [
        "bread",
        "baker in Berlin",
        "baker in Oslo",
        "senior baker",
        "baker from Sweden",
        "speaks Swedish",
        "hr",
        "visibility",
    ]
)


@given(filters, st.sets(st.sampled_from(["board", "hr", "public", "other"])), questions, st.booleans(), st.booleans())
def test_whatever_is_asked_no_profile_of_another_label_comes_back(wanted, labels, query, has_rights, reads):
    desk = Desk()
    token = rights(*labels) if has_rights else None
    (reply,) = desk.answer(SearchRequest(query, 100, wanted, rights=token, read_query=reads))

    allowed = {"public", *(labels if has_rights else ())}
    assert all(PEOPLE[hit.profile_id].visibility in allowed for hit in reply.hits)


def test_sixteen_filters_leave_room_for_what_is_added(desk):
    wanted = [RequestFilter("country", NOT_IN, ["XX"])] * 16
    query = "senior baker in Berlin, Germany who speaks Polish with 10 years of experience"
    assert desk.found(query, filters=wanted, rights=rights("board")) == {"ann", "bob", "cid"}

    (refused,) = desk.answer(SearchRequest("bread", filters=[*wanted, wanted[0]]))
    assert (refused.status, "17 filters" in refused.error) == (ReplyStatus.BAD_REQUEST, True)


def test_what_is_read_filters_and_is_left_out_of_what_is_searched_for():
    desk = Desk()
    (reply,) = desk.answer(SearchRequest("baker in Berlin who speaks Polish"))

    assert [hit.profile_id for hit in reply.hits] == ["ann"]
    assert (reply.reading.query, reply.reading.dropped) == ("baker", False)
    place, language = reply.reading.filters
    assert (place.field, place.operator, place.values[0], place.words) == (
        "location", OwnOperator.STARTS_WITH, "Berlin", "in Berlin"
    )  # fmt: skip
    assert (language.field, language.operator, language.values) == ("languages", "contains_all", ["pl"])


def test_conditions_that_nobody_meets_are_dropped_for_all_such_requests_in_one_search():
    desk = Desk()
    asked = [SearchRequest(f"{who} in Madrid", with_matched_text=False) for who in ("baker", "cook", "tailor")]
    replies = desk.answer(*asked, SearchRequest("baker in Berlin", with_matched_text=False))

    assert [(len(reply.hits), reply.reading.dropped) for reply in replies] == [(2, True)] * 3 + [(1, False)]
    assert [reply.reading.query for reply in replies][:2] == ["baker in Madrid", "cook in Madrid"]
    assert desk.embedder.calls == [3, 3], "one run for what was read, one for what was dropped; the same words once"
    assert replies[0].reading.filters[0].words == "in Madrid"


def test_the_filters_of_a_request_are_never_dropped(desk):
    (reply,) = desk.answer(SearchRequest("baker in Madrid", filters=[RequestFilter("country", EQ, ["GB"])]))
    assert [hit.profile_id for hit in reply.hits] == ["bob"]

    (nobody,) = desk.answer(SearchRequest("baker in Madrid", filters=[RequestFilter("country", EQ, ["XX"])]))
    assert (nobody.hits, nobody.reading.dropped) == ([], True)


def test_nothing_is_read_that_is_not_to_be_read_or_is_not_there(desk):
    told, plain = desk.answer(SearchRequest("baker in Berlin", read_query=False), SearchRequest("my bread is burnt"))

    assert len(told.hits) == len(plain.hits) == 2
    assert told.reading is plain.reading is None


class PagedSearch:
    """Finds so many, page by page; what is asked plainly finds everybody."""

    def __init__(self, desk, narrow):
        self.desk, self.narrow, self.asked = desk, narrow, []

    def __call__(self, requests):
        self.asked.append([(one.query, one.offset, one.limit) for one in requests])
        return [self.one(request) for request in requests]

    def one(self, request):
        (reply,) = self.desk.answer(SearchRequest("bread"))
        held = self.narrow if request.read else 99
        return replace(reply, hits=reply.hits[:1] if request.offset < held else [])


@pytest.mark.parametrize(("narrow", "dropped", "searches"), [(3, False, 2), (0, True, 3)])
def test_a_page_after_the_last_one_is_empty_and_drops_nothing(desk, narrow, dropped, searches):
    search = PagedSearch(desk, narrow)
    request = SearchRequest("baker in Berlin", offset=10, mode=SearchMode.SEMANTIC)

    (reply,) = Constraints(Rights()).answer([request], search)

    assert (reply.reading.dropped, bool(reply.hits)) == (dropped, dropped)
    assert len(search.asked) == searches
    assert search.asked[1] == [("baker", 0, 1)]


def test_what_is_away_is_said_and_nothing_is_dropped_for_it():
    desk = Desk()
    desk.index.away = True
    (reply,) = desk.answer(SearchRequest("baker in Berlin"))

    assert (reply.status, reply.reading, desk.index.searches) == (ReplyStatus.UNAVAILABLE, None, 1)


@pytest.mark.parametrize("answers", ["candidate", "live"])
def test_candidate_and_comparison_see_no_more_than_the_requester_may(answers):
    """Both models answer every question; whichever is shown, the other one is asked the same."""
    desk, asked = Desk(), []

    class Watched(BruteForceIndex):
        def search(self, collection, vectors, limit, filters, timeout_s, *, newest=False):
            asked.append((collection, {one.values for one in filters if one.field == "visibility"}))
            return super().search(collection, vectors, limit, filters, timeout_s, newest=newest)

    index = Watched()
    index.rows = desk.index.rows
    percent = 100 if answers == "candidate" else 0
    rollout = Rollout("v2", "v1", RolloutPhase.RAMP, [], 0, 0, ramp_percent=percent, shadow_percent=100)
    models = ServingModels(lambda _name: BagOfWordsEmbedder())
    for model in ("v1", "v2"):
        models.load_now(model)
    retrieval, observed = Retrieval(index, 5), []

    def collection(model):
        return CollectionInfo(f"c_{model}", model, "profile-text-1", DIM)

    with CandidateTraffic(lambda: rollout, collection, models, retrieval, observed.append) as candidate:
        searcher = Searcher(
            models,
            retrieval,
            lambda: collection("v1"),
            QueryLimits(10, 50),
            candidate,
            Constraints(Rights(SECRET)),
        )
        (reply,) = searcher.answer([SearchRequest("bread", rights=rights("board"))], 0)
        wait_until(lambda: len(asked), lambda count: count == 2, 10)
    assert reply.model == {"candidate": "v2", "live": "v1"}[answers]
    assert {hit.profile_id for hit in reply.hits} == {"ann", "bob", "cid"}
    assert sorted(asked) == [("c_v1", {("public", "board")}), ("c_v2", {("public", "board")})]
