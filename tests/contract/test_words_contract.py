"""Search by words on the server at `milvus_uri`: found where it makes BM25, refused where it does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import numpy as np
import pytest

from benchmarks.milvus_lite import WithoutFullText
from kith.errors import InputError
from schemas.search_records import FilterOperator, ReplyStatus, SearchMode, SearchRequest
from tests.fakes import BagOfWordsEmbedder
from workers.contract import CollectionInfo, Filter, ProfileFields, Row
from workers.keyword_ranking import ranked
from workers.milvus_index import MilvusIndex
from workers.model_collections import describe, ensure_collection
from workers.retrieval import Arm, Retrieval
from workers.words import asked

DIM = 16
TIMEOUT_S = 30.0
IN = FilterOperator.IN

PEOPLE = {
    "jose": ("José Ángel Muñoz", "Welder at Astilleros Muñoz."),
    "jurgen": ("Jürgen Müller", "Baker. Bread and cakes."),
    "ivan": ("Иван Ёлкин", "Инженер."),
    "taro": ("山田太郎", "東京の歯科医。"),
    "ayse": ("AYŞE ÇELİKKOL", "Roofer at St Fenwick Hospital, Bath."),
    "ana": ("Ana Nogueira", "Nurse."),
    "ana-2": ("Ana Nogueira Pacheco", "Nurse."),
    "marie": ("Marie Müller-Lüdenscheidt", "Judge. " + "Rules on what comes before her. " * 40),
}


def row(profile_id: str, name: str, text: str, version: int = 1) -> Row:
    vector = np.random.default_rng(list(profile_id.encode())).normal(size=DIM)
    unit = (vector / np.linalg.norm(vector)).astype(np.float32)
    return Row(profile_id, version, ProfileFields(name, country="DE" if "ü" in name else "ES"), text, unit)


@pytest.fixture(scope="module")
def milvus(milvus_uri: str) -> Iterator[MilvusIndex]:
    index = MilvusIndex(milvus_uri, consistency="Strong")
    yield index
    index.close()


@pytest.fixture
def words(milvus: MilvusIndex) -> Iterator[CollectionInfo]:
    """A collection of eight people, on a server that makes BM25."""
    if not milvus.capabilities(TIMEOUT_S).full_text:
        pytest.skip("this server makes no BM25: the tests of the refusal are for it")
    yield from _collection(milvus, MilvusIndex(milvus.connection.uri))


@pytest.fixture
def plain(milvus: MilvusIndex) -> Iterator[CollectionInfo]:
    """A collection as it was made before kith searched by words, or as a server without BM25 has it."""
    older = MilvusIndex(milvus.connection.uri)
    older.connection = WithoutFullText(milvus.connection.uri)
    yield from _collection(milvus, older)


def _collection(milvus: MilvusIndex, maker: MilvusIndex) -> Iterator[CollectionInfo]:
    unique = uuid4().hex[:12]
    found = ensure_collection(maker.connection, f"t-{unique}", "profile-text-1", DIM, TIMEOUT_S, f"t{unique}_")
    maker.close()
    milvus.upsert(found.name, [row(name, *said) for name, said in PEOPLE.items()], TIMEOUT_S)
    yield found
    milvus.connection.call("drop", TIMEOUT_S, lambda c, left: c.drop_alias(f"t{unique}_profiles", timeout=left))
    milvus.connection.call("drop", TIMEOUT_S, lambda c, left: c.drop_collection(found.name, timeout=left))


def best(milvus: MilvusIndex, collection: CollectionInfo, question: str, *filters: Filter) -> list[str]:
    [found] = milvus.search_words(collection.name, [asked(question)], 50, filters, TIMEOUT_S)
    return [one.hit.profile_id for one in ranked(asked(question), found)]


@pytest.mark.parametrize(
    ("question", "who"),
    [
        ("jose angel munoz", "jose"),
        ("Muñoz, José", "jose"),
        ("juergen mueller", "jurgen"),
        ("JÜRGEN", "jurgen"),
        ("иван елкин", "ivan"),
        ("山田", "taro"),
        ("歯科", "taro"),
        ("ayse celikkol", "ayse"),
        ("St Fenwick Hospital, Bath", "ayse"),
        ("Astilleros Munoz", "jose"),
        ("Ana Nogueira", "ana"),
        ("ana nogueira pacheco", "ana-2"),
        ("who is Marie Müller-Lüdenscheidt?", "marie"),
    ],
)
def test_names_companies_and_subjects_are_found_in_any_spelling(
    milvus: MilvusIndex, words: CollectionInfo, question: str, who: str
) -> None:
    assert words.keywords
    assert best(milvus, words, question)[0] == who


def test_filters_hold_and_nobody_without_a_word_is_found(milvus: MilvusIndex, words: CollectionInfo) -> None:
    assert best(milvus, words, "müller nurse", Filter("country", IN, ("ES",))) == ["ana", "ana-2"]
    assert best(milvus, words, "müller", Filter("profile_id", IN, ("jurgen",))) == ["jurgen"]
    assert best(milvus, words, "astronaut") == []
    assert best(milvus, words, "???") == []


def test_a_change_and_a_deletion_are_seen(milvus: MilvusIndex, words: CollectionInfo) -> None:
    milvus.upsert(words.name, [row("jurgen", "Jürgen Schmidt", "Baker.", 2)], TIMEOUT_S)
    milvus.delete(words.name, ["ana"], TIMEOUT_S)

    assert best(milvus, words, "schmidt") == ["jurgen"]
    assert best(milvus, words, "jürgen müller") == ["jurgen", "marie"]
    assert best(milvus, words, "ana nogueira") == ["ana-2"]


def test_many_questions_in_one_call(milvus: MilvusIndex, words: CollectionInfo) -> None:
    questions = [asked(one) for one in ("ana nogueira", "???", "baker", "a b c d e f g judge")]

    found = milvus.search_words(words.name, questions, 3, [], TIMEOUT_S)

    ids = [{one.hit.profile_id for one in some} for some in found]
    assert ids == [{"ana", "ana-2"}, set(), {"jurgen"}, {"marie"}]
    assert milvus.search_words(words.name, [], 3, [], TIMEOUT_S) == []


def test_the_newest_person_is_found_among_many_with_half_of_her_name(
    milvus: MilvusIndex, words: CollectionInfo
) -> None:
    # In a segment of its own, as Milvus Lite writes one every so often; it has statistics of its own.
    long = "Clerk at the counter."
    half = [row(f"h{n}", ("Ana Roe", "Eva Lopes", "Max Muster")[min(2, n % 20)], long) for n in range(1200)]
    milvus.upsert(words.name, half, TIMEOUT_S)
    milvus.connection.call("flush", TIMEOUT_S, lambda c, left: c.flush(words.name, timeout=left))
    milvus.upsert(words.name, [row("new", "Ana Lopes", long)], TIMEOUT_S)

    assert best(milvus, words, "ana lopes")[0] == "new"


@pytest.mark.parametrize("limit", [0, 16_385])
def test_a_limit_out_of_range_is_refused(milvus: MilvusIndex, words: CollectionInfo, limit: int) -> None:
    with pytest.raises(InputError, match="1 to 16384"):
        milvus.search_words(words.name, [asked("ana")], limit, [], TIMEOUT_S)


def test_a_row_of_the_longest_name_and_text_is_stored(milvus: MilvusIndex, words: CollectionInfo) -> None:
    milvus.upsert(words.name, [row("long", "山" * 170, "字山" * 1365)], TIMEOUT_S)

    assert best(milvus, words, "字山")[0] == "long"


def test_a_collection_without_words_says_so_and_works_on(milvus: MilvusIndex, plain: CollectionInfo) -> None:
    again = ensure_collection(milvus.connection, plain.model, plain.renderer, DIM, TIMEOUT_S, plain.name[:14])

    assert again == plain == describe(milvus.connection, plain.name, TIMEOUT_S)
    assert not plain.keywords
    with pytest.raises(InputError, match="holds no words"):
        milvus.search_words(plain.name, [asked("ana")], 10, [], TIMEOUT_S)
    milvus.upsert(plain.name, [row("jose", *PEOPLE["jose"], version=2)], TIMEOUT_S)
    assert milvus.versions(plain.name, ["jose"], TIMEOUT_S) == {"jose": 2}
    assert milvus.count(plain.name, TIMEOUT_S) == len(PEOPLE)


def test_questions_for_words_are_refused_there_and_others_answered(milvus: MilvusIndex, plain: CollectionInfo) -> None:
    request = SearchRequest("Ana Nogueira", with_matched_text=False)
    requests = [replace(request, mode=mode) for mode in SearchMode]

    replies = Retrieval(milvus, TIMEOUT_S).answer(Arm(plain, BagOfWordsEmbedder()), requests)

    said = {str(one.mode): (reply.status, reply.mode) for one, reply in zip(requests, replies, strict=True)}
    assert said == {
        "auto": (ReplyStatus.OK, "semantic"),
        "semantic": (ReplyStatus.OK, "semantic"),
        "keyword": (ReplyStatus.BAD_REQUEST, None),
        "hybrid": (ReplyStatus.BAD_REQUEST, None),
    }
