from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from workers.contract import ProfileFields
from workers.limits import FIELD_LIMITS, TEXT_LIMIT, fit_fields, fit_text, utf8_length

# Every code point, lone surrogates too.
any_text = st.text(st.characters(codec=None), max_size=2000)


def test_every_string_field_of_a_profile_has_a_limit() -> None:
    names = {f.name for f in dataclasses.fields(ProfileFields)}

    assert set(FIELD_LIMITS) == names - {"occurred_at_ms", "career_since"}


def test_what_fits_stays_as_it_is() -> None:
    fields = ProfileFields(name="Ada", skills=("Python", "Go"), languages=("en",), occurred_at_ms=7)

    assert fit_fields(fields) == fields


def test_a_cut_never_splits_a_character() -> None:
    fitted = fit_fields(ProfileFields(name="a" + "é" * 600))

    assert fitted.name == "a" + "é" * 255


def test_an_array_keeps_its_first_items() -> None:
    fitted = fit_fields(ProfileFields(name="n", skills=tuple(f"s{i}" for i in range(100))))

    assert fitted.skills == tuple(f"s{i}" for i in range(64))


def test_a_lone_surrogate_becomes_a_replacement_character() -> None:
    assert fit_fields(ProfileFields(name="a\ud800b")).name == "a\ufffdb"


@given(name=any_text, skills=st.lists(any_text, max_size=80))
def test_whatever_comes_in_fits_afterwards_and_fitting_again_changes_nothing(name: str, skills: list[str]) -> None:
    fitted = fit_fields(ProfileFields(name=name, headline=name, country=name, skills=tuple(skills)))

    for field, limit in FIELD_LIMITS.items():
        value = getattr(fitted, field)
        items = [value] if isinstance(value, str) else value
        assert len(items) <= (limit.max_items or 1)
        assert all((utf8_length(item) or 0) <= limit.max_bytes for item in items)
        assert all(utf8_length(item) is not None for item in items)
    assert fit_fields(fitted) == fitted


@given(text=any_text)
def test_fitted_text_is_a_prefix(text: str) -> None:
    fitted = fit_text(text * 5)

    assert len(fitted.encode()) <= TEXT_LIMIT.max_bytes
    if utf8_length(text) is not None:
        assert (text * 5).startswith(fitted)
