"""CSV with a header line, mapped to our own fields.

Comma, semicolon or tab, whichever the header line has most of; quoting as in RFC 4180, UTF-8. A row with a byte that is
not UTF-8 is rejected and the others are read. After a row that cannot be read, reading goes on at the next line of the
file, so that a forgotten quotation mark costs the one row. A table has no place for positions and education.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from io import BufferedReader
from typing import Any

from kith.errors import InputError
from schemas.records import Profile, ProfileChange
from streams.sources.items import Parsed, Rejection, Stamps
from streams.sources.own_fields import change_from, nearest
from streams.sources.raw_lines import MAX_LINE_BYTES, Line, read_lines, text_of, too_long

LIST_SEPARATOR = ";"
LIST_FIELDS = ("skills", "languages")
NUMBER_FIELDS = ("version", "occurred_at")

# The most lines of one row: a quotation mark that is never closed costs no more than reading these again.
MAX_ROW_LINES = 2000

_NESTED = ("profile", "positions", "education")
COLUMNS = tuple(f.name for kind in (ProfileChange, Profile) for f in fields(kind) if f.name not in _NESTED)
_REQUIRED = ("profile_id",)
_DIGITS = re.compile(r"-?[0-9]{1,19}")


def parse_map(text: str) -> dict[str, str]:
    """`name=full_name,headline=title` as our field to the file's column.

    Raises:
        InputError: not in this form, or a field that a table cannot give.
    """
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        ours, equals, theirs = (x.strip() for x in pair.partition("="))
        if not (ours and equals and theirs):
            raise InputError(f"The header map has {pair!r}.", "Give OUR_FIELD=THEIR_COLUMN,… as in name=full_name.")
        if ours not in COLUMNS:
            raise InputError(f"The header map names the unknown field {ours!r}.", nearest(ours, COLUMNS))
        found[ours] = theirs
    return found


def read_csv(
    stream: BufferedReader,
    stamps: Stamps,
    column_map: Mapping[str, str] | None = None,
    max_row_bytes: int = MAX_LINE_BYTES,
) -> Iterator[Parsed | Rejection]:
    """Every row of the table, in its order. Columns that are neither ours nor mapped are ignored.

    Args:
        column_map: our field to the file's column; a field that is not in it is looked for under its own name.

    Raises:
        InputError: the header line cannot be used: nothing in the file could be read right.
    """
    # The module's own limit on a cell stands below ours.
    csv.field_size_limit(max(csv.field_size_limit(), max_row_bytes))
    rows = _Rows(read_lines(stream, max_row_bytes, blank_too=True), max_row_bytes)
    columns = _Columns(rows.header(), column_map or {})
    for row in rows:
        if isinstance(row, Rejection):
            yield row
            continue
        line, cells = row
        try:
            yield Parsed(line.number, change_from(columns.named(cells), stamps), line.data, line.read_bytes)
        except InputError as error:
            yield Rejection(line.number, str(error), line.data, line.read_bytes)


class _Columns:
    """Which cell of a row is which of our fields."""

    def __init__(self, header: list[str], column_map: Mapping[str, str]) -> None:
        for theirs in column_map.values():
            if theirs not in header:
                raise InputError(
                    f"The header map names the column {theirs!r}, which is not there.", nearest(theirs, header)
                )
        mapped = {ours: column_map.get(ours, ours) for ours in COLUMNS}
        self._at = {ours: header.index(theirs) for ours, theirs in mapped.items() if theirs in header}
        for ours in _REQUIRED:
            if ours not in self._at:
                raise InputError(
                    f"No column gives {ours}; the header has {', '.join(header)}.",
                    f"Name the column that does: --map {ours}=COLUMN.",
                )

    def named(self, cells: list[str]) -> dict[str, Any]:
        return {ours: _cell(ours, cells[i].strip()) for ours, i in self._at.items() if cells[i].strip()}


def _cell(field: str, text: str) -> object:
    if field in LIST_FIELDS:
        return [item.strip() for item in text.split(LIST_SEPARATOR) if item.strip()]
    if field in NUMBER_FIELDS and _DIGITS.fullmatch(text):
        return int(text)
    return text


class _Rows:
    """Rows from lines: a quoted cell may run over several; what cannot be read gives its later lines back."""

    def __init__(self, lines: Iterator[Line | Rejection], max_row_bytes: int) -> None:
        self._lines = lines
        self._again: list[Line | Rejection] = []
        self._max_row_bytes = max_row_bytes
        self._delimiter = ","
        self._width = 0

    def header(self) -> list[str]:
        """The cells of the first line, which also tells the delimiter."""
        first = next((line for line in self._lines if isinstance(line, Rejection) or line.data.strip()), None)
        if first is None:
            raise InputError("The table has no header line.", "Give the names of the columns in the first line.")
        if isinstance(first, Rejection):
            raise InputError(f"The header line cannot be read. {first.reason}")
        text = text_of(first.data)
        self._delimiter = max(",;\t", key=text.count)
        try:
            found = next(csv.reader([text], delimiter=self._delimiter, strict=True))
        except csv.Error as error:
            raise InputError(f"The header line cannot be read: {error}.", "Correct it.") from None
        header = [name.strip() for name in found]
        if twice := [name for name in header if name and header.count(name) > 1]:
            raise InputError(f"The header line has the column {twice[0]!r} twice.", "Give each column its own name.")
        self._width = len(header)
        return header

    def __iter__(self) -> Iterator[tuple[Line, list[str]] | Rejection]:
        while (first := self._next()) is not None:
            if isinstance(first, Rejection):
                yield first
            elif first.data.strip():
                yield self._row(first)

    def _row(self, first: Line) -> tuple[Line, list[str]] | Rejection:
        taken = [first]
        try:
            cells = next(csv.reader(self._texts(taken), delimiter=self._delimiter, strict=True))
        except csv.Error as error:
            return self._reject(taken, f"Not readable as CSV: {error}.")
        except InputError as error:
            return self._reject(taken, str(error))
        if len(cells) != self._width:
            return self._reject(taken, f"{len(cells)} cells, and the header has {self._width}.")
        return Line(first.number, b"\n".join(line.data for line in taken), taken[-1].read_bytes), cells

    def _texts(self, taken: list[Line]) -> Iterator[str]:
        """The text of the first line, then of each further one that the reader asks for."""
        yield text_of(taken[0].data) + "\n"
        size = len(taken[0].data)
        while (line := self._next()) is not None:
            if isinstance(line, Rejection):
                self._again.insert(0, line)
                return
            taken.append(line)
            size += len(line.data)
            if len(taken) > MAX_ROW_LINES or size > self._max_row_bytes:
                raise InputError(too_long(taken[0].number, b"", 0, self._max_row_bytes).reason)
            yield text_of(line.data) + "\n"

    def _reject(self, taken: list[Line], reason: str) -> Rejection:
        self._again[:0] = taken[1:]
        first = taken[0]
        quoted = " Check its quotation marks." if len(taken) > 1 else ""
        return Rejection(first.number, reason + quoted, first.data, first.read_bytes)

    def _next(self) -> Line | Rejection | None:
        return self._again.pop(0) if self._again else next(self._lines, None)
