"""A file as lines of bytes: bounded, so that one endless line costs neither the memory nor the lines after it."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader, FileIO
from pathlib import Path

from kith.errors import InputError
from streams.sources.items import Rejection

# Above the largest `max_record_bytes` of 10 MB with room for JSON's escapes; a longer line is rejected unread.
MAX_LINE_BYTES = 16 * 2**20

# What is kept of a line that is too long, to show which one it was.
KEPT_BYTES = 4096

_BUFFER_BYTES = 2**20
_NOT_TEXT = (
    (b"\x1f\x8b", "is compressed with gzip", "Unpack it first: gunzip FILE."),
    (b"\x28\xb5\x2f\xfd", "is compressed with Zstandard", "Unpack it first: unzstd FILE."),
    (b"BZh", "is compressed with bzip2", "Unpack it first: bunzip2 FILE."),
    (b"PK\x03\x04", "is a ZIP archive (Excel workbooks are, too)", "Unpack it, or save the sheet as CSV UTF-8."),
    (b"%PDF", "is a PDF", "Export the data as JSON or CSV."),
    (codecs.BOM_UTF16_LE, "is UTF-16", "Save it as UTF-8."),
    (codecs.BOM_UTF16_BE, "is UTF-16", "Save it as UTF-8."),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line or document: `number` counts lines from 1, `data` is without line end, `read_bytes` as in `Parsed`."""

    number: int
    data: bytes
    read_bytes: int


def open_input(path: Path) -> BufferedReader:
    """Open a file of text for reading. A UTF-8 byte order mark is stepped over.

    Raises:
        InputError: there is no such file, it cannot be read, it is empty, or its first bytes are no UTF-8 text's.
    """
    try:
        stream: BufferedReader = BufferedReader(FileIO(path), _BUFFER_BYTES)
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.", "Check the path.") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a directory.", "Name one file in it.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from None
    start = stream.peek(len(codecs.BOM_UTF8))
    refused = next((x for x in _NOT_TEXT if start.startswith(x[0])), None)
    if refused or not start:
        stream.close()
        _magic, what, hint = refused or (b"", "is empty", "Check what should have written it.")
        raise InputError(f"{path} {what}.", hint)
    if start.startswith(codecs.BOM_UTF8):
        stream.read(len(codecs.BOM_UTF8))
    return stream


def read_lines(
    stream: BufferedReader, max_line_bytes: int = MAX_LINE_BYTES, *, blank_too: bool = False
) -> Iterator[Line | Rejection]:
    """Every line, blank ones only if asked for; LF and CR LF end one. A line that is too long is a rejection."""
    number, consumed = 0, 0
    while data := stream.readline(max_line_bytes + 1):
        number += 1
        consumed += len(data)
        if len(data) > max_line_bytes and not data.endswith(b"\n"):
            consumed += _skip_line(stream)
            yield too_long(number, data, consumed, max_line_bytes)
        elif blank_too or data.strip():
            yield Line(number, data.rstrip(b"\r\n"), consumed)


def too_long(number: int, start: bytes, consumed: int, max_line_bytes: int) -> Rejection:
    """The rejection of a record above the limit, with its first bytes."""
    reason = f"Longer than {max_line_bytes:,} bytes, which is the most that is read at once. Shorten or split it."
    return Rejection(number, reason, bytes(start[:KEPT_BYTES]), consumed, truncated=True)


def text_of(data: bytes) -> str:
    """Decode UTF-8.

    Raises:
        InputError: it is not; names the first wrong byte, counted from 1.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"Not UTF-8: byte 0x{data[error.start]:02x} at byte {error.start + 1}.", "Save the file as UTF-8."
        ) from None


def _skip_line(stream: BufferedReader) -> int:
    skipped = 0
    while data := stream.readline(_BUFFER_BYTES):
        skipped += len(data)
        if data.endswith(b"\n"):
            break
    return skipped
