from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kith.errors import InputError
from schemas.search_records import FilterOperator
from workers.contract import Filter, OwnOperator, ProfileFields
from workers.filters import FILTERABLE_FIELDS, FieldKind, expression, ids_expression, literal, stored_field
from workers.limits import FIELD_LIMITS

EQ, IN, NOT_IN = FilterOperator.EQ, FilterOperator.IN, FilterOperator.NOT_IN
ANY, ALL = FilterOperator.CONTAINS_ANY, FilterOperator.CONTAINS_ALL
LEAST, MOST = FilterOperator.AT_LEAST, FilterOperator.AT_MOST
BEGINS = OwnOperator.STARTS_WITH


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (Filter("country", EQ, ("DE",)), '(country == "DE")'),
        (Filter("country", IN, ("DE", "AT")), '(country in ["DE", "AT"])'),
        (Filter("country", NOT_IN, ("DE",)), '(country not in ["DE"])'),
        (Filter("skills", EQ, ("Go",)), '(array_contains(skills, "Go"))'),
        (Filter("skills", ANY, ("Go", "C")), '(array_contains_any(skills, ["Go", "C"]))'),
        (Filter("languages", ALL, ("en", "de")), '(array_contains_all(languages, ["en", "de"]))'),
        (Filter("profile_id", IN, ("p-1",)), '(profile_id in ["p-1"])'),
        (Filter("visibility", EQ, ("board",)), '(visibility == "board")'),
        (Filter("years", LEAST, ("10",)), "(career_since > 0 and career_since <= 2016)"),
        (Filter("years", LEAST, ("0",)), "(career_since > 0 and career_since <= 2026)"),
        (Filter("years", MOST, ("3",)), "(career_since > 0 and career_since >= 2023)"),
        (Filter("location", BEGINS, ("Ulm",)), '(location in ["Ulm"] or location like "Ulm,%")'),
        (
            Filter("location", BEGINS, ('a"b', "Łódź")),
            r"""(location in ["a\"b", "Łódź"] or location like "a\"b,%" or location like "Łódź,%")""",
        ),
    ],
)
def test_each_operator_has_its_form(item: Filter, expected: str) -> None:
    assert expression([item], 2026) == expected


def test_years_are_counted_to_the_present_one_unless_another_is_given() -> None:
    since = int(expression([Filter("years", MOST, ("0",))]).split()[-1].rstrip(")"))

    assert expression([Filter("years", MOST, ("0",))], since) == expression([Filter("years", MOST, ("0",))])
    assert since >= 2026


def test_filters_are_joined_by_and() -> None:
    both = expression([Filter("country", EQ, ("DE",)), Filter("skills", ANY, ("Go",))])

    assert both == '(country == "DE") and (array_contains_any(skills, ["Go"]))'


def test_no_filter_is_the_empty_expression() -> None:
    assert expression([]) == ""


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (Filter("salary", EQ, ("1",)), ["salary", "country"]),
        (Filter("country == 'x' or country", EQ, ("1",)), ["cannot be filtered"]),
        (Filter("country", ANY, ("DE",)), ["country", "contains_any", "eq, in, not_in"]),
        (Filter("skills", IN, ("Go",)), ["skills", "contains_all, contains_any, eq"]),
        (Filter("country", IN, ()), ["country", "0 values", "1 to 256"]),
        (Filter("country", EQ, ("DE", "AT")), ["country", "2 values", "exactly 1"]),
        (Filter("country", IN, ("x",) * 257), ["country", "257 values"]),
        (Filter("country", EQ, ("é" * 129,)), ["country", "256 bytes"]),
        (Filter("profile_id", EQ, ("p" * 129,)), ["profile_id", "128 bytes"]),
        (Filter("country", EQ, ("\ud800",)), ["country", "lone surrogates"]),
        (Filter("country", LEAST, ("1",)), ["country", "at_least", "eq, in, not_in"]),
        (Filter("career_since", EQ, ("2010",)), ["career_since", "cannot be filtered"]),
        (Filter("years", EQ, ("3",)), ["years", "at_least, at_most"]),
        (Filter("years", LEAST, ()), ["years", "0 values", "exactly 1"]),
        (Filter("years", MOST, ("1", "2")), ["years", "2 values", "exactly 1"]),
        (Filter("years", LEAST, ("81",)), ["years", "'81'", "0 to 80"]),
        (Filter("years", LEAST, ("-1",)), ["years", "whole number"]),
        (Filter("years", LEAST, ("3.5",)), ["years", "whole number"]),
        (Filter("years", LEAST, ("٣",)), ["years", "whole number"]),
        (Filter("years", MOST, ("1 or true",)), ["years", "whole number"]),
        *[
            (Filter("location", BEGINS, ("Ulm", value)), ["location", "% _"])
            for value in ("a\\b", "5%", "a_b", "%", "a\n")
        ],
    ],
)
def test_a_refusal_names_the_field_and_what_is_allowed(item: Filter, words: list[str]) -> None:
    with pytest.raises(InputError) as refused:
        expression([item])

    assert all(word in str(refused.value) for word in words), str(refused.value)


def test_too_many_filters_are_refused() -> None:
    with pytest.raises(InputError, match="At most 16"):
        expression([Filter("country", EQ, ("DE",))] * 25)


def test_the_declared_fields_are_stored_the_way_they_are_filtered() -> None:
    fields = ProfileFields(name="n")
    for name, kind in FILTERABLE_FIELDS.items():
        if kind is FieldKind.YEARS:
            assert isinstance(getattr(fields, stored_field(name)), int)
        elif name != "profile_id":
            assert isinstance(getattr(fields, name), tuple) == (kind is FieldKind.ARRAY)
            assert (FIELD_LIMITS[name].max_items is not None) == (kind is FieldKind.ARRAY)


def test_ids_are_escaped_too() -> None:
    assert ids_expression(["a", '"] or true or profile_id in ["']) == (
        'profile_id in ["a", "\\"] or true or profile_id in [\\""]'
    )


@given(value=st.text())
def test_a_literal_ends_only_at_its_own_quote(value: str) -> None:
    written = literal(value)
    inside, unescaped, position = written[1:-1], [], 0
    while position < len(inside):
        char = inside[position]
        assert char not in '"\n\r\t'
        if char == "\\":
            position += 1
            char = {"n": "\n", "r": "\r", "t": "\t"}.get(inside[position], inside[position])
        unescaped.append(char)
        position += 1

    assert written[0] == written[-1] == '"'
    assert "".join(unescaped) == value
