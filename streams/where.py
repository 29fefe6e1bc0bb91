"""Which profiles an operator means, by what they say: `country=DE,AT`, `skills!=Python`. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from kith.errors import InputError
from schemas.records import Profile
from workers.contract import PUBLIC
from workers.filters import FILTERABLE_FIELDS, FieldKind

# What a search filters on, but for the identity, as naming profiles is the business of a list of ids, and for what is
# counted from the present year.
FIELDS = tuple(name for name, kind in FILTERABLE_FIELDS.items() if name != "profile_id" and kind is not FieldKind.YEARS)

_MEANT_BY_NOTHING = {"visibility": PUBLIC}

_FORM = re.compile(r"\s*(\w+)\s*(!?=)(?!=)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, order=True)
class Condition:
    """One condition. `values`: folded, in order, each once; `negated`: the profile must have none of them."""

    field: str
    negated: bool
    values: tuple[str, ...]

    def holds(self, profile: Profile) -> bool:
        """Whether the profile has (negated: has not) one of the values; of a list, as an item of it."""
        held = getattr(profile, self.field)
        items = held if isinstance(held, list) else [held or _MEANT_BY_NOTHING.get(self.field, "")]
        return self.negated != any(_folded(item) in self.values for item in items)

    def __str__(self) -> str:
        """As it can be parsed again; the same for all that mean the same."""
        out = io.StringIO()
        # A bare = after the operator would be another operator.
        bare = not self.values[0].startswith("=")
        csv.writer(out, lineterminator="", quoting=csv.QUOTE_MINIMAL if bare else csv.QUOTE_ALL).writerow(self.values)
        return f"{self.field}{'!=' if self.negated else '='}{out.getvalue()}"


@dataclass(frozen=True, slots=True)
class Where:
    """Conditions that must all hold; without any, every profile is meant."""

    conditions: tuple[Condition, ...] = ()

    def holds(self, profile: Profile) -> bool:
        """Whether this profile is meant."""
        return all(condition.holds(profile) for condition in self.conditions)

    def texts(self) -> list[str]:
        """The conditions as text, in an order of their own: equal for all that mean the same."""
        return [str(condition) for condition in self.conditions]


def parse_where(given: Sequence[str]) -> Where:
    """Conditions of the form FIELD=VALUE[,VALUE…] or FIELD!=VALUE[,VALUE…].

    A value that holds a comma stands in double quotes. Case, and space around a value, do not count.

    Raises:
        InputError: a condition has another form or names an unknown field; names the fields.
    """
    return Where(tuple(sorted({_condition(text) for text in given})))


def _condition(text: str) -> Condition:
    form = _FORM.fullmatch(text)
    if form is None:
        raise _unusable(text)
    name, operator, listed = form.groups()
    if name not in FIELDS:
        raise InputError(f"--where {text}: there is no field {name!r}.", f"Name one of {', '.join(FIELDS)}.")
    try:
        (row,) = csv.reader([listed], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError):
        raise _unusable(text) from None
    values = {_folded(value) for value in row}
    if not values or "" in values:
        raise _unusable(text)
    return Condition(name, operator == "!=", tuple(sorted(values)))


def _unusable(text: str) -> InputError:
    return InputError(
        f"--where {text} is no condition.",
        f"Write FIELD=VALUE[,VALUE…] or FIELD!=VALUE[,VALUE…], where FIELD is one of {', '.join(FIELDS)}.",
    )


def _folded(value: str) -> str:
    return " ".join(value.split()).casefold()
