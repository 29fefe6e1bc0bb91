"""Our own field names, as the Avro contract has them, to a profile change. Strict: an unknown field is named."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from kith.errors import InputError
from schemas.records import Education, Operation, Position, Profile, ProfileChange
from schemas.validation import validate_profile_id
from streams.sources.items import Stamps
from streams.sources.json_documents import kind_of

_PartT = TypeVar("_PartT")

# The most of an unknown field's name that a message shows.
_SHOWN_CHARS = 60

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# Name and type of each field, in the order of the contract.
_FIELDS: Mapping[type, Mapping[str, Any]] = MappingProxyType(
    {kind: MappingProxyType(get_type_hints(kind)) for kind in (ProfileChange, Profile, Position, Education)}
)


def change_from(data: Mapping[str, Any], stamps: Stamps) -> ProfileChange:
    """A change from its own fields beside those of the profile, or from its own fields and a `profile` object.

    Only `profile_id` and the profile's `name` are needed. `operation` is UPSERT unless given; `version` and
    `occurred_at` come from `stamps` unless given.

    Raises:
        InputError: a field is unknown, missing or of the wrong type.
    """
    own, nested = _FIELDS[ProfileChange], data.get("profile")
    flat = {name: value for name, value in data.items() if name not in own}
    _refuse_unknown(flat, own if nested is not None else {**_FIELDS[Profile], **own}, "")
    if data.get("profile_id") is None:
        raise InputError("profile_id: missing.", "Every record needs its identity.")
    profile_id = _text(data["profile_id"], "profile_id")
    validate_profile_id(profile_id)
    operation = _operation(data.get("operation"))
    version, occurred_at = data.get("version"), data.get("occurred_at")
    source = data.get("source")
    return ProfileChange(
        profile_id=profile_id,
        version=stamps.version(profile_id) if version is None else _whole(version, "version"),
        occurred_at=stamps.occurred_at() if occurred_at is None else instant(occurred_at, "occurred_at"),
        operation=operation,
        source=None if source is None else _text(source, "source"),
        profile=_profile(nested, flat, operation),
    )


def part_from(kind: type[_PartT], data: Mapping[str, Any], path: str) -> _PartT:
    """A record of the contract from a mapping of the same names; null is the same as left out.

    Raises:
        InputError: a field is unknown, missing or of the wrong type.
    """
    types = _FIELDS[kind]
    _refuse_unknown(data, types, path)
    values = {}
    for name, expected in types.items():
        value = data.get(name)
        if value is not None:
            values[name] = _value(value, expected, path + name)
        elif expected is str:
            raise InputError(f"{path}{name}: missing.", "Give it; it cannot be left out.")
    return kind(**values)


def instant(value: object, path: str) -> int:
    """Milliseconds since the epoch from a whole number of them, or from ISO 8601 text with a time zone.

    Raises:
        InputError: it is neither.
    """
    if not isinstance(value, str):
        return _whole(value, path)
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InputError(
            f"{path}: neither milliseconds nor a time with its zone.", "Give for example 2026-03-31T08:15:00Z."
        )
    return milliseconds(found)


def milliseconds(moment: datetime) -> int:
    """Milliseconds since the epoch of a time with its zone."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known name; without one near, all of them."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {close[0]}?" if close else f"Known are {', '.join(names)}."


def _profile(nested: object, flat: Mapping[str, Any], operation: Operation) -> Profile | None:
    if nested is not None:
        return part_from(Profile, _object(nested, "profile"), "profile.")
    if operation is Operation.DELETE and not flat:
        return None
    return part_from(Profile, flat, "")


def _refuse_unknown(data: Mapping[str, Any], known: Mapping[str, Any], path: str) -> None:
    for name in data:
        if name not in known:
            shown = ascii(name[:_SHOWN_CHARS])[1:-1]
            raise InputError(f"{path}{shown}: unknown field.", nearest(name, known))


def _value(value: object, expected: Any, path: str) -> object:
    if get_origin(expected) is list:
        if not isinstance(value, list):
            raise InputError(f"{path}: {kind_of(value)} where a list is expected.", "Put it in [ ].")
        (inner,) = get_args(expected)
        return [_value(item, inner, f"{path}[{i}]") for i, item in enumerate(value)]
    if is_dataclass(expected):
        return part_from(expected, _object(value, path), f"{path}.")  # type: ignore[arg-type]
    return _text(value, path)


def _text(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise InputError(
            f"{path}: {kind_of(value)} where text is expected.", "Put it in quotation marks, or leave it out."
        )
    return value


def _object(value: object, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{path}: {kind_of(value)} where an object is expected.", "Put its fields in { }.")
    return value


def _whole(value: object, path: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(
            f"{path}: {kind_of(value)} where a whole number is expected.", "Leave it out if there is none."
        )
    return value


def _operation(value: object) -> Operation:
    if value is None:
        return Operation.UPSERT
    try:
        return Operation(_text(value, "operation"))
    except ValueError:
        raise InputError("operation: neither UPSERT nor DELETE.", "Give one of them, or leave it out.") from None
