"""What a row may hold, against the cutting that makes every row fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kith.errors import InputError
from workers.contract import ProfileFields, Row
from workers.limits import FIELD_LIMITS, TEXT_LIMIT, fit_fields, fit_text
from workers.milvus_rows import check_rows

DIM = 4
VECTOR = np.array([1, 0, 0, 0], dtype=np.float32)
GOOD = Row("p-1", 1, fit_fields(ProfileFields(name="Ana", headline="Nurse", skills=("triage",))), "Nurse.", VECTOR)

# Near each limit, in letters of one to four bytes, and one that has no bytes.
letters = st.sampled_from(["a", "\u00e9", "\u5c71", "\U0001f9d1", "\ud800"])


@st.composite
def near(draw: st.DrawFn, max_bytes: int) -> str:
    return draw(letters) + "a" * (max_bytes - draw(st.integers(0, 5)))


@st.composite
def changed_rows(draw: st.DrawFn) -> Row:
    name = draw(st.sampled_from([*FIELD_LIMITS, "text"]))
    if name == "text":
        return replace(GOOD, text=draw(near(TEXT_LIMIT.max_bytes)))
    limit = FIELD_LIMITS[name]
    value: object = draw(near(limit.max_bytes))
    if limit.max_items is not None:
        value = (value,) + ("x",) * (limit.max_items - draw(st.integers(0, 2)))
    return replace(GOOD, fields=replace(GOOD.fields, **{name: value}))


@given(row=changed_rows(), before=st.booleans())
def test_rows_are_refused_where_one_would_have_been_cut(row: Row, before: bool) -> None:
    fits = fit_fields(row.fields) == row.fields and fit_text(row.text) == row.text
    other = replace(GOOD, profile_id="p-0")
    rows = [other, row] if before else [row, other]
    if fits:
        check_rows(rows, DIM)
    else:
        with pytest.raises(InputError, match=r"Profile .p-1.: the field"):
            check_rows(rows, DIM)


def test_an_empty_id_is_refused_among_others() -> None:
    with pytest.raises(InputError, match="empty profile_id"):
        check_rows([GOOD, replace(GOOD, profile_id="")], DIM)


@pytest.mark.parametrize("name", ["version", "occurred_at_ms", "career_since"])
def test_a_number_beyond_64_bits_is_refused(name: str) -> None:
    row = (
        replace(GOOD, version=2**63)
        if name == "version"
        else replace(GOOD, fields=replace(GOOD.fields, **{name: 2**63}))
    )
    with pytest.raises(InputError, match=f"field {name} is {2**63}, beyond 64 bits"):
        check_rows([row], DIM)
