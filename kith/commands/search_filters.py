"""What a `kith search` says of conditions and rights, for a request; and the reading of a reply, for people."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kith.errors import InputError

if TYPE_CHECKING:
    from schemas.search_records import QueryReading, RequestFilter

_FORM = "Write FIELD:OPERATOR:VALUE[,VALUE…], as country:not_in:DE,AT; a value with a comma in double quotes."
_SHOWN_VALUES = 3


def requested_filters(
    any_of: Mapping[str, Sequence[str]],
    skills: Sequence[str],
    languages: Sequence[str],
    years: int | None,
    given: Sequence[str],
) -> list[RequestFilter]:
    """The filters of a request.

    Args:
        any_of: by field, values of which a person must have one.
        years: of experience, at least; None for any.
        given: conditions as `parse_filter` takes them.

    Raises:
        InputError: one of `given` is no condition.
    """
    from schemas.search_records import FilterOperator, RequestFilter

    filters = [RequestFilter(name, FilterOperator.IN, list(values)) for name, values in any_of.items() if values]
    if skills:
        filters.append(RequestFilter("skills", FilterOperator.CONTAINS_ALL, list(skills)))
    if languages:
        filters.append(RequestFilter("languages", FilterOperator.CONTAINS_ANY, list(languages)))
    if years is not None:
        filters.append(RequestFilter("years", FilterOperator.AT_LEAST, [str(years)]))
    return filters + [parse_filter(one) for one in given]


def parse_filter(text: str) -> RequestFilter:
    """A condition of the form FIELD:OPERATOR:VALUE[,VALUE…].

    Raises:
        InputError: it has another form, or an unknown operator; names those that there are.
    """
    from schemas.search_records import FilterOperator, RequestFilter

    field, _, rest = text.partition(":")
    named, colon, listed = rest.partition(":")
    if not (field.strip() and colon):
        raise InputError(f"--filter {text} is no condition.", _FORM)
    try:
        operator = FilterOperator(named.strip())
    except ValueError:
        known = ", ".join(FilterOperator)
        raise InputError(f"--filter {text}: there is no operator {named!r}.", f"There are: {known}.") from None
    try:
        (values,) = csv.reader([listed], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError):
        raise InputError(f"--filter {text} is no condition.", _FORM) from None
    return RequestFilter(field.strip(), operator, [value.strip() for value in values])


def read_rights(path: Path | None) -> str | None:
    """The signed rights in a file, `-` for standard input: on a command line, whoever lists processes would see them.

    Raises:
        InputError: the file cannot be read.
    """
    if path is None:
        return None
    if str(path) == "-":
        return sys.stdin.read().strip()
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"The rights in {path} cannot be read: {error}.", "Give a file that holds the token."
        ) from None


def reading_lines(reading: QueryReading) -> list[str]:
    """What was understood of a question, in lines for people."""
    lines = []
    for one in reading.filters:
        more = len(one.values) - _SHOWN_VALUES
        values = ", ".join(one.values[:_SHOWN_VALUES]) + (f" and {more} more" if more > 0 else "")
        lines.append(f'read "{one.words}" as {one.field} {one.operator} {values}')
    if reading.dropped:
        return [*lines, "nobody meets this: searched for the question as it was written"]
    return [*lines, f'searched for "{reading.query}"']
