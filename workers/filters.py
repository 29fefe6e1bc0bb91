"""Structured filters to a Milvus boolean expression. Pure; no value can become part of the expression's grammar."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from types import MappingProxyType

from kith.errors import InputError
from schemas.search_records import FilterOperator
from workers.contract import Filter, OwnOperator
from workers.limits import FIELD_LIMITS, PROFILE_ID_LIMIT, utf8_length

# Most filters of a request, and most beside them that kith itself adds: what it read, and what may be seen.
MAX_FILTERS = 16
MAX_OWN_FILTERS = 8
MAX_VALUES = 256
MAX_YEARS = 80

_ALL = FilterOperator


class FieldKind(Enum):
    """How a filterable field is stored, and so which operators it takes."""

    SCALAR = frozenset({_ALL.EQ, _ALL.IN, _ALL.NOT_IN})
    ARRAY = frozenset({_ALL.EQ, _ALL.CONTAINS_ANY, _ALL.CONTAINS_ALL})
    YEARS = frozenset({_ALL.AT_LEAST, _ALL.AT_MOST})

    @property
    def operators(self) -> frozenset[FilterOperator]:
        """Operators that fit; `eq` on an array asks whether it contains the value."""
        return self.value


# Values compare exactly, byte for byte: case and spelling are the producer's.
FILTERABLE_FIELDS: Mapping[str, FieldKind] = MappingProxyType(
    {
        "profile_id": FieldKind.SCALAR,
        "location": FieldKind.SCALAR,
        "country": FieldKind.SCALAR,
        "industry": FieldKind.SCALAR,
        "seniority": FieldKind.SCALAR,
        "visibility": FieldKind.SCALAR,
        "skills": FieldKind.ARRAY,
        "languages": FieldKind.ARRAY,
        "years": FieldKind.YEARS,
    }
)

_TEMPLATES: Mapping[tuple[FieldKind, FilterOperator], str] = MappingProxyType(
    {
        (FieldKind.SCALAR, _ALL.EQ): "{field} == {first}",
        (FieldKind.SCALAR, _ALL.IN): "{field} in [{values}]",
        (FieldKind.SCALAR, _ALL.NOT_IN): "{field} not in [{values}]",
        (FieldKind.ARRAY, _ALL.EQ): "array_contains({field}, {first})",
        (FieldKind.ARRAY, _ALL.CONTAINS_ANY): "array_contains_any({field}, [{values}])",
        (FieldKind.ARRAY, _ALL.CONTAINS_ALL): "array_contains_all({field}, [{values}])",
        # Year 0 is an unknown one: who does not say is neither experienced nor a beginner.
        (FieldKind.YEARS, _ALL.AT_LEAST): "{field} > 0 and {field} <= {year}",
        (FieldKind.YEARS, _ALL.AT_MOST): "{field} > 0 and {field} >= {year}",
    }
)

_SINGLE = frozenset({_ALL.EQ, _ALL.AT_LEAST, _ALL.AT_MOST})
_YEARS = re.compile("[0-9]{1,2}")

# Exactly the escapes that the grammars of Milvus Lite and of the server share; everything else stands for itself.
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


# What stands for something else in a pattern: Milvus Lite and the server differ on how it would be escaped.
_OF_PATTERNS = frozenset("%_\\")


def expression(filters: Sequence[Filter], year: int | None = None) -> str:
    """The expression that holds where every filter holds; empty for no filter.

    Args:
        year: that years are counted to; None for the present one, UTC.

    Raises:
        kith.errors.InputError: a field, operator, number of filters, number of values or value that is not allowed;
            names the field and what is allowed.
    """
    if len(filters) > MAX_FILTERS + MAX_OWN_FILTERS:
        raise InputError(f"The request has {len(filters)} filters.", f"At most {MAX_FILTERS} are allowed.")
    year = datetime.now(UTC).year if year is None else year
    return " and ".join(f"({_condition(item, year)})" for item in filters)


def stored_field(name: str) -> str:
    """The field of the collection that a filter's field is compared with."""
    return "career_since" if FILTERABLE_FIELDS[name] is FieldKind.YEARS else name


def ids_expression(profile_ids: Sequence[str]) -> str:
    """The expression that holds for the given profiles (any number of ids).

    Raises:
        kith.errors.InputError: an id holds a lone surrogate.
    """
    return f"profile_id in [{', '.join(literal(profile_id) for profile_id in profile_ids)}]"


def literal(value: str) -> str:
    """`value` as a string literal of the expression language.

    Raises:
        kith.errors.InputError: it holds a lone surrogate, which cannot be sent.
    """
    if utf8_length(value) is None:
        raise InputError(f"The value {value!a} is not valid Unicode text.", "Remove its lone surrogates.")
    return f'"{value.translate(_ESCAPES)}"'


def _condition(item: Filter, year: int) -> str:
    kind = FILTERABLE_FIELDS.get(item.field)
    if kind is None:
        raise InputError(
            f"The field {item.field!r} cannot be filtered on.", f"These can: {', '.join(FILTERABLE_FIELDS)}."
        )
    if isinstance(item.operator, OwnOperator):
        return _begins(item)
    if item.operator not in kind.operators:
        allowed = ", ".join(sorted(kind.operators))
        raise InputError(
            f"The field {item.field!r} does not take the operator {item.operator}.", f"It takes: {allowed}."
        )
    _check_values(item)
    if kind is FieldKind.YEARS:
        _check_years(item)
        return _TEMPLATES[kind, item.operator].format(field=stored_field(item.field), year=year - int(item.values[0]))
    values = [literal(value) for value in item.values]
    return _TEMPLATES[kind, item.operator].format(field=item.field, first=values[0], values=", ".join(values))


def _begins(item: Filter) -> str:
    _check_values(item)
    if any(_OF_PATTERNS & set(value) or not value.isprintable() for value in item.values):
        raise InputError(
            f"A value of the filter on {item.field!r} has one of % _ \\ or what is not printed.",
            "Compare with eq instead.",
        )
    begun = " or ".join(f"{item.field} like {literal(f'{value},%')}" for value in item.values)
    return f"{item.field} in [{', '.join(literal(value) for value in item.values)}] or {begun}"


def _check_years(item: Filter) -> None:
    if not (_YEARS.fullmatch(item.values[0]) and int(item.values[0]) <= MAX_YEARS):
        raise InputError(
            f"The filter on {item.field!r} has the value {item.values[0][:20]!a}.",
            f"Give a whole number of years, 0 to {MAX_YEARS}.",
        )


def _check_values(item: Filter) -> None:
    most = 1 if item.operator in _SINGLE else MAX_VALUES
    if not 1 <= len(item.values) <= most:
        raise InputError(
            f"The filter on {item.field!r} has {len(item.values)} values.",
            f"The operator {item.operator} takes {'exactly 1' if most == 1 else f'1 to {most}'}.",
        )
    max_bytes = FIELD_LIMITS.get(item.field, PROFILE_ID_LIMIT).max_bytes
    for value in item.values:
        length = utf8_length(value)
        if length is None or length > max_bytes:
            raise InputError(
                f"A value of the filter on {item.field!r} is too long or not valid Unicode text.",
                f"A value may have up to {max_bytes} bytes in UTF-8 and no lone surrogates.",
            )
