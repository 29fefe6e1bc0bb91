"""How long the stored fields may be: the limits declared once, and a pure function that cuts fields to them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from workers.contract import ProfileFields


@dataclass(frozen=True, slots=True)
class FieldLimit:
    """Bounds of one stored field.

    Attributes:
        max_bytes: longest value (of an array: longest item), bytes in UTF-8.
        max_items: most items of an array; None for a scalar field.
    """

    max_bytes: int
    max_items: int | None = None


PROFILE_ID_LIMIT = FieldLimit(128)
TEXT_LIMIT = FieldLimit(8192)
# Text and name as words: those of scripts without blanks take more than twice the bytes.
WORDS_LIMIT = FieldLimit(24_576)

_SURROGATES = re.compile("[\ud800-\udfff]")

# The string fields of `ProfileFields` by name.
FIELD_LIMITS: Mapping[str, FieldLimit] = MappingProxyType(
    {
        "name": FieldLimit(512),
        "headline": FieldLimit(1024),
        "location": FieldLimit(256),
        "country": FieldLimit(256),
        "industry": FieldLimit(256),
        "seniority": FieldLimit(256),
        "skills": FieldLimit(128, max_items=64),
        "languages": FieldLimit(64, max_items=32),
        "visibility": FieldLimit(32),
    }
)


def fit_fields(fields: ProfileFields) -> ProfileFields:
    """Cut every field to its limit.

    A value is cut after its last whole character that fits; of an array the first items are kept. Lone surrogates,
    which no UTF-8 text can hold, become U+FFFD. Fitting twice changes nothing more.
    """
    cuts: dict[str, Any] = {}
    for name, limit in FIELD_LIMITS.items():
        value = getattr(fields, name)
        if (cut := _fit_value(value, limit)) is not value:
            cuts[name] = cut
    return replace(fields, **cuts) if cuts else fields


def fit_text(text: str) -> str:
    """Cut the embedded text to `TEXT_LIMIT`, in the way of `fit_fields`."""
    return _cut(text, TEXT_LIMIT.max_bytes)


def utf8_length(text: str) -> int | None:
    """Bytes of `text` in UTF-8; None when it holds a lone surrogate and so has no UTF-8 form."""
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return None


def _fit_value(value: str | tuple[str, ...], limit: FieldLimit) -> str | tuple[str, ...]:
    if isinstance(value, str):
        return _cut(value, limit.max_bytes)
    cut = tuple([_cut(item, limit.max_bytes) for item in value[: limit.max_items]])
    return value if cut == value else cut


def _cut(text: str, max_bytes: int) -> str:
    if text.isascii() and len(text) <= max_bytes:
        return text
    length = utf8_length(text)
    if length is not None and length <= max_bytes:
        return text
    if length is None:
        text = _SURROGATES.sub("\ufffd", text)
    data = text.encode()
    return text if len(data) <= max_bytes else data[:max_bytes].decode(errors="ignore")
