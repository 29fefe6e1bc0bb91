"""Confluent wire format to records and back: magic byte 0, four bytes of schema id (big-endian), Avro binary."""

from __future__ import annotations

import io
import struct
from typing import Any, TypeVar

import fastavro
import msgspec

from kith.errors import KithError
from schemas import kept_profile
from schemas.contracts import Record, full_name, parsed, schema_text
from schemas.records import ProfileChange, ProfileState, from_avro, to_avro
from schemas.registry import Registry

MAGIC = 0
HEADER = struct.Struct(">bI")


_RecordT = TypeVar("_RecordT")

# What is raised on bytes that do not hold what the schema says.
_UNREADABLE = (
    EOFError,
    IndexError,
    KeyError,
    LookupError,
    MemoryError,
    OverflowError,
    StopIteration,
    TypeError,
    UnicodeDecodeError,
    ValueError,
    fastavro.read.SchemaResolutionError,
    msgspec.ValidationError,
    struct.error,
)

# What parsing raises on a schema that is not Avro: a registry holds other kinds too.
_NOT_AVRO = (ValueError, fastavro.schema.SchemaParseException, fastavro.schema.UnknownType)


class DecodeError(KithError):
    """These bytes can never be read as the expected record; the message says at which byte or field."""


def schema_id(data: bytes) -> int:
    """The id of the schema that `data` was written with.

    Raises:
        DecodeError: `data` is not in Confluent wire format.
    """
    if len(data) < HEADER.size:
        raise DecodeError(f"{len(data)} bytes are too short for Confluent wire format, which starts with 5.")
    magic, found = HEADER.unpack_from(data)
    if magic != MAGIC:
        raise DecodeError(f"Byte 0 is 0x{data[0]:02x}, not the magic byte 0x00 of Confluent wire format.")
    return int(found)


class Codec:
    """Reads and writes records, with the writer's schema from the registry and the reader's from this tree."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._checked: dict[tuple[int, type], Any] = {}

    def close(self) -> None:
        """Drop the connection to the registry."""
        self._registry.close()

    def encode(self, subject: str, record: Record) -> bytes:
        """Bytes of a record under the subject's schema id; registers the contract the first time (blocking then).

        Raises:
            kith.errors.InputError: the registry refuses the contract.
            kith.errors.Unavailable: the registry does not answer.
        """
        kind = type(record)
        found = self._registry.register(subject, kind)
        out = io.BytesIO()
        out.write(HEADER.pack(MAGIC, found))
        known = record.known if isinstance(record, ProfileState) else None
        if known is not None and known.profile is not None and known.profile.written is not None:
            kept_profile.write_entry(out, known, known.profile.written)
        else:
            fastavro.schemaless_writer(out, parsed(schema_text(kind)), to_avro(record, named=True))
        return out.getvalue()

    def ready_for(self, data: bytes) -> bool:
        """Whether `decode` would need no call to the registry."""
        return self._registry.known(schema_id(data))

    def learn(self, data: bytes) -> None:
        """Fetch the schema that `data` names (blocking).

        Raises:
            DecodeError: not in wire format.
            schemas.registry.UnknownSchema: the registry has no such schema.
            kith.errors.Unavailable: the registry does not answer.
        """
        self._registry.text(schema_id(data))

    def decode(self, data: bytes, kind: type[_RecordT]) -> _RecordT:
        """The record that `data` holds.

        Raises:
            DecodeError: the bytes cannot be read as `kind`.
            schemas.registry.UnknownSchema, kith.errors.Unavailable: as `learn`.
        """
        found = schema_id(data)
        writer = self._writer_schema(found, kind)
        stream = io.BytesIO(data)
        stream.seek(HEADER.size)
        try:
            record = self._read(stream, writer, kind)
        except _UNREADABLE as error:
            raise DecodeError(
                f"Not a {full_name(kind)} under schema {found}: {type(error).__name__} near byte {stream.tell()}."
            ) from error
        if stream.tell() != len(data):
            raise DecodeError(f"{len(data) - stream.tell()} bytes are left over after the {full_name(kind)}.")
        return record

    def _read(self, stream: io.BytesIO, writer: Any, kind: type[_RecordT]) -> _RecordT:
        ours = parsed(schema_text(kind))
        if kind is not ProfileChange or writer is not ours:
            fields: Any = fastavro.schemaless_reader(stream, writer, ours)
            return from_avro(fields, kind)
        fields, written = kept_profile.read_change(stream)
        change = from_avro(fields, kind)
        if isinstance(change, ProfileChange) and change.profile is not None:
            change.profile.came_as(written)
        return change

    def _writer_schema(self, found: int, kind: type) -> Any:
        if (found, kind) not in self._checked:
            try:
                writer = parsed(self._registry.text(found))
            except _NOT_AVRO as error:
                raise DecodeError(f"Schema {found} is not an Avro schema.") from error
            name = writer.get("name") if isinstance(writer, dict) else str(writer)
            if name != full_name(kind):
                raise DecodeError(f"Schema {found} is {name}, not {full_name(kind)}.")
            ours = parsed(schema_text(kind))
            self._checked[found, kind] = ours if writer == ours else writer
        return self._checked[found, kind]
