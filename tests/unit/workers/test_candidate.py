"""A candidate beside the live model, in one process: who answers, what is observed, and that nobody loses an answer."""

from dataclasses import replace

from schemas.rollouts import ObservationKind, Rollout, RolloutPhase
from schemas.search_records import ReplyStatus, SearchMode, SearchRequest
from tests.fakes import DIM, BagOfWordsEmbedder, BruteForceIndex
from tests.recorded import recorded
from tests.waiting import wait_until
from workers.comparison import CandidateTraffic
from workers.contract import CollectionInfo, ProfileFields, Row
from workers.request_spans import asking
from workers.retrieval import Retrieval
from workers.search import QueryLimits, Searcher
from workers.serving_models import ServingModels
from workers.traced_request import traced

RAMP = Rollout("v2", "v1", RolloutPhase.RAMP, [], 0, 0, ramp_percent=100)


class TwoIndexes(BruteForceIndex):
    """Which collection was searched; that of the candidate may be away."""

    def __init__(self):
        super().__init__()
        self.searched = []
        self.candidate_away = False

    def search(self, collection, vectors, limit, filters, timeout_s, *, newest=False):
        self.searched.append(collection)
        self.away = collection == "c_v2" and self.candidate_away
        return super().search(collection, vectors, limit, filters, timeout_s, newest=newest)


class Desk:
    def __init__(self, rollout=RAMP):
        self.rollout, self.live, self.observed = rollout, "v1", []
        self.index, self.embedders = TwoIndexes(), {"v1": BagOfWordsEmbedder(), "v2": BagOfWordsEmbedder()}
        vector = self.embedders["v1"].embed(["bread"])[0]
        self.index.upsert("", [Row("bob", 1, ProfileFields(name="Bob"), "Baker of bread.", vector)], 1)
        self.models = ServingModels(self.load)
        self.models.load_now("v1")
        retrieval = Retrieval(self.index, 5)
        self.candidate = CandidateTraffic(
            lambda: self.rollout, self.collection, self.models, retrieval, self.observed.append
        )
        self.searcher = Searcher(
            self.models, retrieval, lambda: self.collection(self.live), QueryLimits(10, 50), self.candidate
        )
        for embedder in self.embedders.values():
            embedder.calls.clear()

    def load(self, name):
        return self.embedders[name]

    @staticmethod
    def collection(model):
        return CollectionInfo(f"c_{model}", model, "profile-text-1", DIM, keywords=True)

    def ask(self, count=1):
        return self.searcher.answer([SearchRequest(f"bread {n}", requester=f"m{n}") for n in range(count)], 0)

    def until_by(self, model):
        return wait_until(lambda: self.ask()[0].model, lambda found: found == model, 10)


def kinds(desk):
    return [one.kind for one in desk.observed]


def test_each_requester_is_answered_by_one_model_on_its_own_collection():
    desk = Desk(replace(RAMP, ramp_percent=50))
    desk.models.load_now("v2")
    replies = desk.ask(40)
    assert {reply.model for reply in replies} == {"v1", "v2"}
    assert all(reply.collection == f"c_{reply.model}" for reply in replies)
    assert desk.embedders["v1"].calls[0] + desk.embedders["v2"].calls[0] == 40, "each is embedded by its model, once"
    assert sorted(kinds(desk)) == sorted([ObservationKind[{"v1": "LIVE", "v2": "CANDIDATE"}[r.model]] for r in replies])


def test_the_live_model_answers_until_the_candidate_is_loaded():
    desk = Desk()
    assert desk.ask()[0].model == "v1"
    assert desk.until_by("v2") == "v2"


def test_what_the_candidate_cannot_answer_the_live_model_does():
    desk = Desk()
    desk.models.load_now("v2")
    desk.index.candidate_away = True
    (reply,) = desk.ask()
    assert (reply.status, reply.model) == (ReplyStatus.OK, "v1")
    assert [(one.kind, one.failed) for one in desk.observed] == [(ObservationKind.CANDIDATE, True)]


def test_in_shadow_both_answer_and_only_the_live_answer_is_seen():
    desk = Desk(replace(RAMP, phase=RolloutPhase.SHADOW, ramp_percent=0, shadow_percent=100))
    desk.models.load_now("v2")
    with desk.candidate:
        assert {reply.model for reply in desk.ask(5)} == {"v1"}
        wait_until(lambda: kinds(desk).count(ObservationKind.COMPARED), lambda count: count == 5, 10)
    compared = [one for one in desk.observed if one.kind is ObservationKind.COMPARED]
    assert {(one.overlap, one.failed, one.hits) for one in compared} == {(1.0, False, 1)}
    assert desk.index.searched.count("c_v2") == 5


def test_a_comparison_is_no_part_of_the_trace_of_the_question():
    desk = Desk(replace(RAMP, phase=RolloutPhase.SHADOW, ramp_percent=0, shadow_percent=100))
    desk.models.load_now("v2")
    with recorded() as seen:
        span = asking(())
        with desk.candidate:
            desk.searcher.answer([traced(SearchRequest("bread", mode=SearchMode.SEMANTIC), span)], 0)
            wait_until(lambda: kinds(desk).count(ObservationKind.COMPARED), bool, 10)
    assert desk.index.searched == ["c_v1", "c_v2"]
    assert [one.name for one in seen.spans] == ["embed", "search"], "nobody waited for the other model"


def test_models_are_compared_in_the_mode_that_answered_and_not_by_words_alone():
    desk = Desk(replace(RAMP, phase=RolloutPhase.SHADOW, ramp_percent=0, shadow_percent=100))
    desk.models.load_now("v2")
    modes = (SearchMode.KEYWORD, SearchMode.HYBRID, SearchMode.SEMANTIC)
    with desk.candidate:
        replies = desk.searcher.answer([SearchRequest("bread", mode=mode) for mode in modes], 0)
        wait_until(lambda: kinds(desk).count(ObservationKind.COMPARED), lambda count: count == 2, 10)
    assert [reply.mode for reply in replies] == ["keyword", "hybrid", "semantic"]
    assert desk.index.searched.count("c_v2") == 2
    assert desk.index.word_searches == 2, "one for both answers, one for the comparison"


def test_a_promoted_model_answers_once_it_is_loaded_and_nobody_waits_for_it():
    desk = Desk(None)
    assert desk.ask()[0].model == "v1"
    desk.live = "v2"
    seen = []

    def asked():
        (reply,) = desk.ask()
        seen.append(reply.status)
        return reply.model

    wait_until(asked, lambda model: model == "v2", 10)
    assert set(seen) == {ReplyStatus.OK}


def test_a_rollout_that_ended_sends_nobody_there():
    desk = Desk()
    desk.models.load_now("v2")
    assert desk.ask()[0].model == "v2"
    desk.rollout = RAMP.moved(RolloutPhase.ROLLED_BACK, 1)
    assert desk.ask()[0].model == "v1"


def test_who_asks_for_a_model_gets_that_one_or_is_told_that_it_is_away():
    desk = Desk(replace(RAMP, ramp_percent=0))
    desk.models.load_now("v2")
    ask = lambda model: desk.searcher.answer([SearchRequest("bread", model=model)], 0)[0]  # noqa: E731
    assert [ask(model).model for model in (None, "v1", "v2")] == ["v1", "v1", "v2"]
    assert ask("v3").status is ReplyStatus.BAD_REQUEST
    desk.index.candidate_away = True
    assert ask("v2").status is ReplyStatus.UNAVAILABLE
    desk.rollout = RAMP
    assert ask("v1").model == "v1", "not the candidate, which answers everybody else"
