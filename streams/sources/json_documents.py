"""A file of JSON documents, whichever of three shapes it has: one document, an array of them, or one per line.

The array is cut into its elements by structure alone, so that a broken element costs only itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from io import BufferedReader
from typing import Any, NoReturn

from kith.errors import InputError
from streams.sources.items import Rejection
from streams.sources.raw_lines import KEPT_BYTES, MAX_LINE_BYTES, Line, read_lines, text_of, too_long

_CHUNK_BYTES = 2**16
_OUTSIDE_STRING = re.compile(rb'["{}\[\],\n]')
_INSIDE_STRING = re.compile(rb'["\\\n]')
_SECOND_LINE_OF_DOCUMENT = (b'"', b"}")


def read_documents(stream: BufferedReader, max_bytes: int = MAX_LINE_BYTES) -> Iterator[Line | Rejection]:
    """The documents of a file, as bytes with the line on which each starts."""
    head = stream.peek(_CHUNK_BYTES).lstrip()
    if head.startswith(b"["):
        yield from _array(stream, max_bytes)
    elif _is_one_document(head):
        yield from _one_document(stream, max_bytes)
    else:
        yield from read_lines(stream, max_bytes)


def parse_object(line: Line) -> dict[str, Any]:
    """Parse one document.

    Raises:
        InputError: not UTF-8, not JSON, or not an object; says at which character (from 1), never what stands there.
    """
    try:
        found = json.loads(text_of(line.data), parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        where = f"character {error.colno}"
        if error.lineno > 1:
            where = f"line {line.number + error.lineno - 1}, {where}"
        what = error.msg.partition(":")[0].removesuffix(" at").removesuffix(" starting")
        raise InputError(
            f"Not valid JSON at {where}: {what}.", "Correct this record; no other is touched by it."
        ) from None
    except RecursionError:
        raise InputError("Not usable JSON: nested too deeply.", "A profile needs five levels.") from None
    except ValueError:
        raise InputError("Not usable JSON: a number has too many digits.", "Correct this record.") from None
    if not isinstance(found, dict):
        raise InputError(f"{kind_of(found).capitalize()} where an object is expected.", "Give one object per record.")
    return found


def kind_of(value: object) -> str:
    """What a JSON value is, in a word for people."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    names: dict[type, str] = {str: "text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names[type(value)]


def _refuse_constant(name: str) -> NoReturn:
    raise InputError(f"Not valid JSON: {name} is no number there.", "Give a number or null.")


def _is_one_document(head: bytes) -> bool:
    """Whether an object runs over several lines: its first line is not complete and its second starts like a member."""
    lines = [line.strip() for line in head.splitlines() if line.strip()]
    if len(lines) < 2 or not lines[0].startswith(b"{"):  # noqa: PLR2004 - a first and a second line
        return False
    return not lines[0].endswith(b"}") and lines[1].startswith(_SECOND_LINE_OF_DOCUMENT)


def _one_document(stream: BufferedReader, max_bytes: int) -> Iterator[Line | Rejection]:
    data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        yield too_long(1, data, len(data), max_bytes)
        return
    blank = len(data) - len(data.lstrip())
    yield Line(1 + data[:blank].count(b"\n"), data.strip(), len(data))


def _array(stream: BufferedReader, max_bytes: int) -> Iterator[Line | Rejection]:
    opening = bytearray()
    while not opening.endswith(b"["):
        opening += stream.read(1)
    cutter = _ArrayCutter(max_bytes, 1 + opening.count(b"\n"), len(opening))
    while chunk := stream.read(_CHUNK_BYTES):
        yield from cutter.feed(chunk)
    yield from cutter.end()


class _ArrayCutter:
    """Cuts what follows the opening bracket of an array into elements, by its strings, brackets and commas alone."""

    def __init__(self, max_bytes: int, line: int, consumed: int) -> None:
        self._max_bytes = max_bytes
        self._consumed = consumed
        self._line = self._element_line = line
        self._depth = 0
        self._in_string = self._escaped = self._closed = False
        self._kept = bytearray()

    def feed(self, chunk: bytes) -> Iterator[Line | Rejection]:
        """The elements that end in this chunk."""
        begin, at = 0, int(self._escaped)
        self._escaped = False
        while found := (_INSIDE_STRING if self._in_string else _OUTSIDE_STRING).search(chunk, at):
            at = found.end()
            token = found.group()
            if token == b"\n":
                self._line += 1
            elif token == b"\\":
                self._escaped = at == len(chunk)
                at += 1
            elif self._ends_element(token):
                self._keep(chunk[begin : at - 1])
                yield from self._take(self._consumed + at)
                begin = at
        self._keep(chunk[begin:])
        self._consumed += len(chunk)

    def end(self) -> Iterator[Rejection]:
        """What is wrong with the end of the file, if anything."""
        rest = bytes(self._kept.strip())
        if not self._closed:
            reason = "The array that starts the file is not closed. Check that the file is complete."
            yield Rejection(self._start(), reason, rest[:KEPT_BYTES], self._consumed, truncated=True)
        elif rest:
            reason = "Text after the end of the array. Give one array per file, or one document per line."
            yield Rejection(self._start(), reason, rest[:KEPT_BYTES], self._consumed, truncated=True)

    def _ends_element(self, token: bytes) -> bool:
        """Follow one token; whether an element ends before it."""
        if token == b'"':
            self._in_string = not self._in_string
        elif token in b"{[":
            self._depth += 1
        elif token in b"}]" and self._depth:
            self._depth -= 1
        elif self._depth == 0 and not self._closed:
            self._closed = token == b"]"
            return token in b",]"
        return False

    def _keep(self, data: bytes) -> None:
        # One byte above the limit tells that it was passed; what comes later is dropped.
        self._kept += data[: max(0, self._max_bytes + 1 - len(self._kept))]

    def _take(self, consumed: int) -> Iterator[Line | Rejection]:
        start, data = self._start(), bytes(self._kept.strip())
        self._kept.clear()
        self._element_line = self._line
        if len(data) > self._max_bytes:
            yield too_long(start, data, consumed, self._max_bytes)
        elif data:
            yield Line(start, data, consumed)

    def _start(self) -> int:
        blank = len(self._kept) - len(self._kept.lstrip())
        return self._element_line + self._kept[:blank].count(b"\n")
