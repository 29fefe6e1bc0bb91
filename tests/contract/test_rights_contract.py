"""Whoever asks whatever, with whatever rights, a server shows the same people as a search by brute force."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.search_records import FilterOperator, ReplyStatus, RequestFilter, SearchReply, SearchRequest
from tests.fakes import DIM, BagOfWordsEmbedder, BruteForceIndex, serving
from workers.constraints import Constraints
from workers.contract import CollectionInfo, Index, ProfileFields, Row
from workers.filters import FILTERABLE_FIELDS, FieldKind
from workers.milvus_index import MilvusIndex
from workers.model_collections import ensure_collection
from workers.retrieval import Retrieval
from workers.rights import Rights
from workers.search import QueryLimits, Searcher

TIMEOUT_S = 30.0
SECRET = "a secret of thirty-two bytes or so"
YEAR = datetime.now(UTC).year
LABELS = ("public", "board", "hr", "board-only", "b_ard")
PLACES = ("Berlin, Germany", "Berlin", "Leeds", "Kraków, Polska", "München", "Berlinchen, Polska")

PEOPLE = {
    f"p{n}": ProfileFields(
        f"Name {n}",
        location=PLACES[n % len(PLACES)],
        country=("DE", "GB", "PL")[n % 3],
        seniority=("senior", "junior")[n % 2],
        languages=(("pl", "de"), ("en",), ())[n % 3],
        visibility=LABELS[n % len(LABELS)],
        career_since=(0, YEAR - 12, YEAR - 3)[n % 3],
    )
    for n in range(60)
}


def searcher(index: Index, collection: CollectionInfo, embedder: BagOfWordsEmbedder) -> Searcher:
    return Searcher(
        serving(embedder, collection.model),
        Retrieval(index, TIMEOUT_S),
        lambda: collection,
        QueryLimits(max_limit=100, max_chars=500),
        constraints=Constraints(Rights(SECRET)),
    )


@pytest.fixture(scope="module")
def both(milvus_uri: str) -> Iterator[tuple[Searcher, Searcher]]:
    """The server and brute force over the same people."""
    index, embedder, brute = MilvusIndex(milvus_uri, consistency="Strong"), BagOfWordsEmbedder(), BruteForceIndex()
    prefix = f"t{uuid4().hex[:12]}_"
    collection = ensure_collection(index.connection, "rights", "profile-text-1", DIM, TIMEOUT_S, prefix)
    # No two are as near as each other to a question.
    texts = {who: f"baker of {n} loaves " + "rye " * n for n, who in enumerate(PEOPLE)}
    vectors = embedder.embed(list(texts.values()))
    rows = [Row(who, 1, PEOPLE[who], texts[who], vectors[n]) for n, who in enumerate(PEOPLE)]
    index.upsert(collection.name, rows, TIMEOUT_S)
    brute.upsert(collection.name, rows, TIMEOUT_S)
    yield searcher(index, collection, embedder), searcher(brute, collection, embedder)
    index.connection.call("drop", TIMEOUT_S, lambda c, left: c.drop_alias(f"{prefix}profiles", timeout=left))
    index.connection.call("drop", TIMEOUT_S, lambda c, left: c.drop_collection(collection.name, timeout=left))
    index.close()


def rights(labels: set[str]) -> str:
    claims = {"exp": int(time.time()) + 600, "labels": sorted(labels)}
    return jwt.encode(claims, SECRET, algorithm="HS256")


def condition(name: str) -> st.SearchStrategy[RequestFilter]:
    kind = FILTERABLE_FIELDS[name]
    values = st.sampled_from([*LABELS, *PLACES, "p0", "p1", "p2", "DE", "PL", "senior", "pl", "de", '"] or true or ["'])
    if kind is FieldKind.YEARS:
        values = st.integers(0, 80).map(str)
    operators = st.sampled_from(sorted(kind.operators))
    single = {FilterOperator.EQ, FilterOperator.AT_LEAST, FilterOperator.AT_MOST}
    return operators.flatmap(
        lambda operator: st.lists(values, min_size=1, max_size=1 if operator in single else 4).map(
            lambda given_: RequestFilter(name, operator, given_)
        )
    )


filters = st.lists(st.sampled_from(sorted(FILTERABLE_FIELDS)).flatmap(condition), max_size=3)
questions = st.sampled_from(
    [
        "baker",
        "baker in Berlin",
        "senior baker in Germany",
        "baker who speaks Polish",
        "baker in Madrid",
        "baker in Munich, Germany with at least 5 years of experience",
        "junior baker w Krakowie",
    ]
)


def shown(reply: SearchReply) -> tuple[list[str], bool | None]:
    assert reply.status is ReplyStatus.OK, reply.error
    return sorted(hit.profile_id for hit in reply.hits), None if reply.reading is None else reply.reading.dropped


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(filters, st.none() | st.sets(st.sampled_from(LABELS)), questions)
def test_a_server_shows_whom_the_rights_and_conditions_allow_and_nobody_else(
    both: tuple[Searcher, Searcher], wanted: list[RequestFilter], labels: set[str] | None, query: str
) -> None:
    token = None if labels is None else rights(labels)
    request = SearchRequest(query, 100, wanted, with_matched_text=False, rights=token)
    ((theirs,), (ours,)) = (one.answer([request], 0) for one in both)

    assert shown(theirs) == shown(ours)
    assert {PEOPLE[hit.profile_id].visibility for hit in theirs.hits} <= {"public", *(labels or ())}
