from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pymilvus.client.prepare import Prepare

from benchmarks.rivals.parts import to_entity
from workers.contract import ProfileFields, Row
from workers.limits import fit_fields
from workers.milvus_upsert import upsert_request
from workers.model_collections import collection_schema
from workers.words import profile_words

lines = st.text(st.characters(codec="utf-8"), max_size=20)
numbers = st.integers(-(2**63) + 1, 2**63 - 1)
fields = st.builds(
    ProfileFields,
    name=lines,
    headline=lines,
    skills=st.lists(lines, max_size=5).map(tuple),
    languages=st.lists(lines, max_size=3).map(tuple),
    occurred_at_ms=numbers,
    career_since=numbers,
)


@st.composite
def rows_of_one_dim(draw: st.DrawFn) -> list[Row]:
    dim = draw(st.sampled_from([2, 16, 31, 32, 384]))
    count = draw(st.integers(1, 4))
    values = np.random.default_rng(draw(st.integers(0, 99))).normal(size=(count, dim)).astype(np.float32)
    return [
        Row(f"p{place}", draw(numbers), fit_fields(draw(fields)), draw(lines), values[place]) for place in range(count)
    ]


@given(rows=rows_of_one_dim(), with_words=st.booleans())
def test_the_request_is_the_one_that_pymilvus_makes_of_the_rows(rows: list[Row], with_words: bool) -> None:
    theirs = Prepare.row_upsert_param(
        "profiles",
        [as_pymilvus_takes_it(row, with_words) for row in rows],
        "",
        collection_schema(len(rows[0].vector), with_words=with_words).to_dict()["fields"],
        [],
    )

    ours = upsert_request("profiles", rows, with_words=with_words)

    assert {one.field_name: one for one in ours.fields_data} == {one.field_name: one for one in theirs.fields_data}
    assert (ours.collection_name, ours.num_rows) == (theirs.collection_name, theirs.num_rows)
    assert not ours.partial_update


def as_pymilvus_takes_it(row: Row, with_words: bool) -> dict[str, object]:
    return to_entity(row) | ({"words": profile_words(row.fields.name, row.text)} if with_words else {})
