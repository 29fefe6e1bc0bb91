"""What every `workers.contract.Index` does, run against the server at `milvus_uri`."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kith.errors import InputError, Unavailable
from schemas.search_records import FilterOperator
from workers.contract import Filter, Index, OwnOperator, ProfileFields, Row, Vectors
from workers.limits import FIELD_LIMITS, fit_fields
from workers.milvus_index import MilvusIndex
from workers.model_collections import ensure_collection

DIM = 16
TIMEOUT_S = 30.0
EQ, IN, NOT_IN = FilterOperator.EQ, FilterOperator.IN, FilterOperator.NOT_IN
ANY, ALL = FilterOperator.CONTAINS_ANY, FilterOperator.CONTAINS_ALL
LEAST, MOST = FilterOperator.AT_LEAST, FilterOperator.AT_MOST
BEGINS = OwnOperator.STARTS_WITH
YEAR = datetime.now(UTC).year

NASTY = [
    'say "hi"',
    "it's",
    "back\\slash",
    "\\",
    'end\\"',
    "two\nlines",
    "a\rb\tc",
    "a\\nb",
    '"] or true or country in ["',
    "100% _like_ {x} $meta",
    "Zürich · 東京 · مرحبا · 👩🏽‍🔬",
    "e\u0301",
    "\u00e9",
    "a\u2028b\u0085c",
    "nul\x00inside",
    " lead and trail ",
    "",
]


@pytest.fixture(scope="module")
def milvus(milvus_uri: str) -> Iterator[MilvusIndex]:
    index = MilvusIndex(milvus_uri, consistency="Strong")
    yield index
    index.close()


@pytest.fixture
def index(milvus: MilvusIndex) -> Index:
    return milvus


@pytest.fixture
def collection(milvus: MilvusIndex) -> Iterator[str]:
    # Names of its own: the server may be shared with other tests.
    unique = uuid4().hex[:12]
    alias = f"live_{unique}"
    name = ensure_collection(milvus.connection, f"t-{unique}", "profile-text-1", DIM, TIMEOUT_S, alias).name
    yield name
    milvus.connection.call("drop", TIMEOUT_S, lambda c, left: c.drop_alias(alias, timeout=left))
    milvus.connection.call("drop", TIMEOUT_S, lambda c, left: c.drop_collection(name, timeout=left))


def vector(seed: int) -> Vectors:
    values = np.random.default_rng(seed).normal(size=DIM)
    return (values / np.linalg.norm(values)).astype(np.float32)


def row(number: int, version: int = 1, **fields: object) -> Row:
    known = replace(ProfileFields(name=f"Name {number}", occurred_at_ms=number), **fields)
    return Row(f"p{number}", version, known, f"text {number}", vector(number))


def ids_found(index: Index, collection: str, *filters: Filter) -> set[str]:
    [hits] = index.search(collection, vector(0)[None], 100, filters, TIMEOUT_S)
    return {hit.profile_id for hit in hits}


def test_a_row_comes_back_as_it_was_written(index: Index, collection: str) -> None:
    fields = ProfileFields(
        name="Zoë \x00 Ω 👩🏽‍🔬",
        headline='quote " backslash \\ newline \n',
        location="Zürich",
        country="CH",
        industry="e\u0301",
        seniority="senior",
        skills=("Python", "日本語", ""),
        languages=("de", "en"),
        occurred_at_ms=1_790_000_000_123,
        visibility="board-only",
        career_since=1987,
    )
    index.upsert(collection, [Row("id/ü 1", 2**62, fields, "the text", vector(1)), row(2)], TIMEOUT_S)

    [hits] = index.search(collection, vector(1)[None], 1, [], TIMEOUT_S)

    assert [(h.profile_id, h.version, h.fields, h.text) for h in hits] == [("id/ü 1", 2**62, fields, "the text")]
    assert hits[0].score == pytest.approx(1.0, abs=1e-5)


def test_fields_at_their_limits_are_stored(index: Index, collection: str) -> None:
    full = fit_fields(
        ProfileFields(
            **{
                name: "é" * 2000 if limit.max_items is None else ("é" * 200,) * 200
                for name, limit in FIELD_LIMITS.items()
            }
        )
    )
    index.upsert(collection, [Row("p" * 128, 1, full, "é" * 4096, vector(1))], TIMEOUT_S)

    [[hit]] = index.search(collection, vector(1)[None], 1, [], TIMEOUT_S)

    assert hit.fields == full


def test_hits_are_ordered_and_scored_by_cosine(index: Index, collection: str) -> None:
    rows = [row(n) for n in range(50)]
    index.upsert(collection, rows, TIMEOUT_S)
    queries = np.stack([vector(3), vector(100)])

    found = index.search(collection, queries, 10, [], TIMEOUT_S)

    assert len(found) == 2
    for query, hits in zip(queries, found, strict=True):
        exact = sorted(((float(r.vector @ query), r.profile_id) for r in rows), reverse=True)[:10]
        assert [h.profile_id for h in hits] == [profile_id for _, profile_id in exact]
        assert [h.score for h in hits] == pytest.approx([score for score, _ in exact], abs=1e-5)


def test_an_upsert_replaces_the_whole_row(index: Index, collection: str) -> None:
    index.upsert(collection, [row(1, skills=("Go",), country="DE")], TIMEOUT_S)
    newer = replace(row(1, version=2, name="New"), vector=vector(99))
    index.upsert(collection, [newer], TIMEOUT_S)

    [[hit]] = index.search(collection, vector(99)[None], 5, [], TIMEOUT_S)

    assert (hit.version, hit.fields) == (2, newer.fields)
    assert hit.score == pytest.approx(1.0, abs=1e-5)
    assert index.count(collection, TIMEOUT_S) == 1


def test_delete_removes_the_given_and_minds_no_absent_one(index: Index, collection: str) -> None:
    odd = 'p"] or profile_id != ["'
    index.upsert(collection, [row(1), row(2), replace(row(3), profile_id=odd)], TIMEOUT_S)

    index.delete(collection, ["p1", "never was", odd], TIMEOUT_S)
    index.delete(collection, ["p1"], TIMEOUT_S)
    index.delete(collection, [], TIMEOUT_S)

    assert ids_found(index, collection) == {"p2"}
    assert index.count(collection, TIMEOUT_S) == 1


def test_versions_of_present_profiles_only(index: Index, collection: str) -> None:
    odd = 'quote " back\\slash'
    index.upsert(collection, [row(1, version=7), replace(row(2, version=8), profile_id=odd)], TIMEOUT_S)

    assert index.versions(collection, ["p1", odd, "absent"], TIMEOUT_S) == {"p1": 7, odd: 8}
    assert index.versions(collection, [], TIMEOUT_S) == {}


def test_versions_of_more_ids_than_one_request_takes(index: Index, collection: str) -> None:
    for start in range(0, 2500, 500):
        index.upsert(collection, [row(n, version=n) for n in range(start, start + 500)], TIMEOUT_S)

    held = index.versions(collection, [f"p{n}" for n in range(2600)], TIMEOUT_S)

    assert held == {f"p{n}": n for n in range(2500)}
    assert index.count(collection, TIMEOUT_S) == 2500
    index.delete(collection, [f"p{n}" for n in range(1500)], TIMEOUT_S)
    assert index.count(collection, TIMEOUT_S) == 1000


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (Filter("country", EQ, ("DE",)), {"p1", "p2"}),
        (Filter("country", EQ, ("de",)), set()),
        (Filter("country", EQ, ("",)), {"p4"}),
        (Filter("country", IN, ("DE", "AT", "FR")), {"p1", "p2", "p3"}),
        (Filter("country", NOT_IN, ("DE",)), {"p3", "p4"}),
        (Filter("profile_id", IN, ("p1", "p9")), {"p1"}),
        (Filter("profile_id", NOT_IN, ("p1",)), {"p2", "p3", "p4"}),
        (Filter("skills", EQ, ("Go",)), {"p1", "p3"}),
        (Filter("skills", ANY, ("C", "Rust")), {"p2", "p3"}),
        (Filter("skills", ALL, ("Go", "C")), {"p3"}),
        (Filter("skills", ALL, ("Go",)), {"p1", "p3"}),
        (Filter("languages", ANY, ("en",)), {"p1"}),
        (Filter("seniority", EQ, ("senior",)), {"p2"}),
        (Filter("industry", IN, ("health",)), {"p3"}),
        (Filter("location", EQ, ("Wien",)), {"p3"}),
        (Filter("location", BEGINS, ("Wien", "Ulm")), {"p2", "p3"}),
        (Filter("location", BEGINS, ("Wi",)), set()),
        (Filter("visibility", EQ, ("public",)), {"p2", "p3", "p4"}),
        (Filter("visibility", IN, ("public", "board")), {"p1", "p2", "p3", "p4"}),
        (Filter("visibility", NOT_IN, ("public",)), {"p1"}),
        (Filter("years", LEAST, ("10",)), {"p1", "p2"}),
        (Filter("years", LEAST, ("11",)), {"p1"}),
        (Filter("years", LEAST, ("0",)), {"p1", "p2"}),
        (Filter("years", MOST, ("10",)), {"p2", "p3"}),
        (Filter("years", MOST, ("80",)), {"p1", "p2", "p3"}),
        (Filter("years", MOST, ("0",)), {"p3"}),
    ],
)
def test_each_filter_operator(index: Index, collection: str, item: Filter, expected: set[str]) -> None:
    index.upsert(
        collection,
        [
            row(1, country="DE", skills=("Go",), languages=("en", "de"), visibility="board", career_since=YEAR - 11),
            row(2, country="DE", skills=("Rust",), seniority="senior", location="Ulm, DE", career_since=YEAR - 10),
            # Its first position begins next year.
            row(3, country="AT", skills=("Go", "C"), industry="health", location="Wien", career_since=YEAR + 1),
            row(4, location="Wiener Neustadt"),
        ],
        TIMEOUT_S,
    )

    assert ids_found(index, collection, item) == expected


def test_the_beginning_of_a_place_is_taken_as_it_stands(index: Index, collection: str) -> None:
    places = [value for value in NASTY if value and value.isprintable() and not set("%_\\") & set(value)]
    index.upsert(
        collection,
        [
            row(n, location=f"{value}{end}")
            for n, (value, end) in enumerate((v, e) for v in places for e in (", X", "X"))
        ],
        TIMEOUT_S,
    )

    for number, value in enumerate(places):
        assert ids_found(index, collection, Filter("location", BEGINS, (value,))) == {f"p{2 * number}"}, ascii(value)


def test_filters_are_joined_by_and(index: Index, collection: str) -> None:
    index.upsert(collection, [row(1, country="DE", skills=("Go",)), row(2, country="DE"), row(3)], TIMEOUT_S)

    assert ids_found(index, collection, Filter("country", IN, ("DE",)), Filter("skills", ANY, ("Go",))) == {"p1"}


def test_a_nasty_value_finds_its_own_row_only(index: Index, collection: str) -> None:
    index.upsert(collection, [row(n, country=v, skills=(v,)) for n, v in enumerate(NASTY)], TIMEOUT_S)

    for number, value in enumerate(NASTY):
        assert ids_found(index, collection, Filter("country", EQ, (value,))) == {f"p{number}"}, ascii(value)
        assert ids_found(index, collection, Filter("skills", ALL, (value,))) == {f"p{number}"}, ascii(value)
    assert ids_found(index, collection, Filter("country", NOT_IN, tuple(NASTY))) == set()
    assert len(ids_found(index, collection, Filter("skills", ANY, tuple(NASTY)))) == len(NASTY)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.text(max_size=30), other=st.text(max_size=30))
def test_any_value_finds_its_own_row_only(index: Index, collection: str, value: str, other: str) -> None:
    index.upsert(collection, [row(1, country=value), row(2, country=other)], TIMEOUT_S)

    assert ids_found(index, collection, Filter("country", EQ, (value,))) == ({"p1", "p2"} if value == other else {"p1"})


def test_the_most_filters_and_values_are_taken(index: Index, collection: str) -> None:
    index.upsert(collection, [row(1, country="c0")], TIMEOUT_S)
    most = Filter("country", IN, tuple(f"c{n}" for n in range(256)))

    assert ids_found(index, collection, *[most] * 24) == {"p1"}


def test_batches_of_500_rows(index: Index, collection: str) -> None:
    for start in (0, 500, 250):
        index.upsert(collection, [row(n) for n in range(start, start + 500)], TIMEOUT_S)

    assert index.count(collection, TIMEOUT_S) == 1000
    queries = np.stack([vector(n) for n in range(0, 1000, 50)])
    found = index.search(collection, queries, 1, [], TIMEOUT_S)
    assert [hits[0].profile_id for hits in found] == [f"p{n}" for n in range(0, 1000, 50)]


def test_whoever_meets_a_rare_condition_is_found_among_thousands(index: Index, collection: str) -> None:
    # Each is written again and again: an index that looks at a part of what was written misses most of them.
    for version in range(1, 151):
        index.upsert(collection, [row(number, version) for number in range(40)], TIMEOUT_S)
    for number in range(40):
        (hits,) = index.search(collection, vector(99)[None], 10, [Filter("profile_id", EQ, (f"p{number}",))], TIMEOUT_S)
        assert [(hit.profile_id, hit.version) for hit in hits] == [(f"p{number}", 150)]
        assert abs(hits[0].score - float(vector(99) @ vector(number))) < 1e-4


def test_nothing_to_find(index: Index, collection: str) -> None:
    assert index.search(collection, np.stack([vector(1), vector(2)]), 10, [], TIMEOUT_S) == [[], []]
    assert index.search(collection, np.empty((0, DIM), np.float32), 10, [], TIMEOUT_S) == []
    assert index.count(collection, TIMEOUT_S) == 0
    assert index.versions(collection, ["p1"], TIMEOUT_S) == {}


def test_a_limit_above_the_rows_gives_every_row(index: Index, collection: str) -> None:
    index.upsert(collection, [row(1), row(2)], TIMEOUT_S)

    [hits] = index.search(collection, vector(1)[None], 1000, [], TIMEOUT_S)

    assert {h.profile_id for h in hits} == {"p1", "p2"}


@pytest.mark.parametrize("limit", [0, -1, 16_385])
def test_a_limit_out_of_range_is_refused(index: Index, collection: str, limit: int) -> None:
    with pytest.raises(InputError, match="1 to 16384"):
        index.search(collection, vector(1)[None], limit, [], TIMEOUT_S)


def broken(**change: object) -> Row:
    return replace(row(2), **change)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (broken(vector=np.full(DIM, np.nan, np.float32)), "'p2'.*vector.*NaN"),
        (broken(vector=np.full(DIM, np.inf, np.float32)), "'p2'.*vector.*infinity"),
        (broken(vector=np.zeros(DIM, np.float32)), "'p2'.*vector.*length 0"),
        (broken(vector=np.ones(DIM, np.float32)), "'p2'.*vector.*length 4"),
        (broken(vector=vector(1)[:8]), "'p2'.*vector.*float32"),
        (broken(vector=vector(1).astype(np.float64)), "'p2'.*vector.*float64"),
        (broken(profile_id="p1"), "'p1' comes twice"),
        (broken(profile_id=""), "empty profile_id"),
        (broken(profile_id="é" * 65), "profile_id has 130 bytes"),
        (broken(text="é" * 4097), "'p2'.*text has 8194 bytes"),
        (broken(fields=ProfileFields(name="é" * 257)), "'p2'.*name has 514 bytes"),
        (broken(fields=ProfileFields(name="\ud800")), "'p2'.*name is not valid Unicode"),
        (broken(fields=ProfileFields(name="n", skills=("x",) * 65)), "'p2'.*skills has 65 items"),
        (broken(fields=ProfileFields(name="n", languages=("x" * 65,))), "'p2'.*languages has 65 bytes"),
        (broken(version=2**63), "'p2'.*version is"),
        (broken(fields=ProfileFields(name="n", visibility="x" * 33)), "'p2'.*visibility has 33 bytes"),
        (broken(fields=ProfileFields(name="n", career_since=2**63)), "'p2'.*career_since is"),
    ],
)
def test_a_row_that_cannot_be_stored_is_refused_and_nothing_is_written(
    index: Index, collection: str, bad: Row, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        index.upsert(collection, [row(1), bad], TIMEOUT_S)

    assert index.count(collection, TIMEOUT_S) == 0


@pytest.mark.parametrize("query", [np.ones((1, DIM + 1), np.float32), np.full((1, DIM), np.nan, np.float32)])
def test_a_query_that_cannot_be_compared_is_refused(index: Index, collection: str, query: Vectors) -> None:
    with pytest.raises(InputError, match="query vector"):
        index.search(collection, query, 10, [], TIMEOUT_S)


def test_a_missing_collection_is_not_the_fault_of_the_rows(index: Index) -> None:
    for request in (
        lambda: index.upsert("profiles__nowhere", [row(1)], TIMEOUT_S),
        lambda: index.search("profiles__nowhere", vector(1)[None], 1, [], TIMEOUT_S),
        lambda: index.delete("profiles__nowhere", ["p1"], TIMEOUT_S),
        lambda: index.count("profiles__nowhere", TIMEOUT_S),
    ):
        with pytest.raises(Unavailable, match="profiles__nowhere"):
            request()


def test_concurrent_writers_through_one_adapter_lose_nothing(index: Index, collection: str) -> None:
    def write(writer: int) -> None:
        for start in range(0, 400, 50):
            rows = [row(n) for n in range(writer * 1000 + start, writer * 1000 + start + 50)]
            index.upsert(collection, rows, TIMEOUT_S)
        index.delete(collection, [f"p{writer * 1000}"], TIMEOUT_S)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))

    assert index.count(collection, TIMEOUT_S) == 6 * 399
    expected = {f"p{w * 1000 + n}": 1 for w in range(6) for n in range(1, 400)}
    assert index.versions(collection, list(expected), TIMEOUT_S) == expected
