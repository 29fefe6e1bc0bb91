"""A batch goes on when a part of it, or a part beside it, cannot be used."""

import pytest

from kith.errors import InputError, SettingsError, Unavailable
from schemas.search_records import ReplyStatus, SearchRequest
from tests.fakes import DIM, BagOfWordsEmbedder, BruteForceIndex, serving
from workers.contract import CollectionInfo, ProfileFields, Row
from workers.matched_text import parts_of
from workers.retrieval import Retrieval
from workers.search import QueryLimits, Searcher

LIMITS = QueryLimits(max_limit=10, max_chars=50)


class PickyEmbedder(BagOfWordsEmbedder):
    """Refuses every call that holds the text `poison`, as a model does that gives no finite vector for it."""

    def embed(self, texts):
        if "poison" in texts:
            raise InputError("The model gave a vector that is not finite.")
        return super().embed(texts)


class RefusingIndex(BruteForceIndex):
    def search(self, collection, vectors, limit, filters, timeout_s, *, newest=False):
        raise SettingsError("Milvus refused the credentials.")


def live(model="student-v0"):
    return CollectionInfo("c", model, "profile-text-1", DIM)


def searcher(index=None, embedder=None, resolve=live):
    model = embedder or BagOfWordsEmbedder()
    held = index or BruteForceIndex()
    held.upsert("c", [Row("bob", 3, ProfileFields(name="Bob"), "Baker of bread.", model.embed(["bread"])[0])], 1)
    return Searcher(serving(model), Retrieval(held, 5), resolve, LIMITS)


def test_a_query_that_cannot_be_embedded_takes_no_other_with_it():
    words = ["bread", "poison", "baker"]
    replies = searcher(embedder=PickyEmbedder()).answer([SearchRequest(word) for word in words], 0)
    assert [reply.status for reply in replies] == [ReplyStatus.OK, ReplyStatus.BAD_REQUEST, ReplyStatus.OK]
    assert "not finite" in replies[1].error


@pytest.mark.parametrize("error", [Unavailable("no answer"), InputError("not of kith"), SettingsError("refused")])
def test_whatever_is_wrong_with_the_alias_is_said_and_blamed_on_no_request(error):
    def resolve():
        raise error

    asked = searcher(resolve=resolve)
    (reply,) = asked.answer([SearchRequest("bread")], 0)
    assert (reply.status, reply.error) == (ReplyStatus.UNAVAILABLE, str(error))
    assert asked.reason() == str(error)


def test_an_index_that_refuses_the_credentials_is_said():
    (reply,) = searcher(RefusingIndex()).answer([SearchRequest("bread")], 0)
    assert (reply.status, reply.error) == (ReplyStatus.UNAVAILABLE, "Milvus refused the credentials.")


def test_it_tells_without_a_request_whether_it_could_answer():
    assert searcher().reason() is None
    assert "student-v1" in searcher(resolve=lambda: live("student-v1")).reason()


def test_sentences_of_chinese_and_japanese_end_without_a_space():
    assert parts_of("外科医です。趣味は音楽。東京在住") == ["外科医です。", "趣味は音楽。", "東京在住"]
