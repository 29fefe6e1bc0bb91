"""Bytes to a valid profile change, or a dead letter that says why not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from kith import span_names
from kith.errors import InputError, KithError
from kith.traces import SharedSpan
from schemas.codec import Codec, DecodeError
from schemas.records import ProfileChange, Stage
from schemas.registry import UnknownSchema
from schemas.validation import validate_change, validate_profile_id
from streams.clock import now_ms
from streams.dead_letters import dead_letter
from streams.incoming import Change, Incoming, Unreadable


class Decoder:
    """Reads records of the change stream.

    Args:
        max_record_bytes: a larger value is a dead letter, whatever it holds.
    """

    def __init__(self, codec: Codec, max_record_bytes: int) -> None:
        self._codec = codec
        self._max_record_bytes = max_record_bytes

    async def learn_schemas(self, records: Sequence[Incoming]) -> None:
        """Fetch the schemas that `decode` will need, off the event loop.

        Raises:
            kith.errors.Unavailable: the registry does not answer.
        """
        for record in records:
            if record.value is None or self._knows(record.value):
                continue
            try:
                await asyncio.to_thread(self._codec.learn, record.value)
            except (DecodeError, UnknownSchema):
                continue  # decode says the same again, of this record alone

    def decode(self, record: Incoming) -> Change | Unreadable:
        """Read one record; never raises for what the record holds."""
        if record.span is None:
            return self._decoded(record)
        with SharedSpan(span_names.DECODE, [record.span]):
            return self._decoded(record)

    def _decoded(self, record: Incoming) -> Change | Unreadable:
        try:
            return self._read(record)
        except (DecodeError, UnknownSchema) as error:
            return self._unreadable(record, Stage.DECODE, error)
        except InputError as error:
            return self._unreadable(record, Stage.VALIDATE, error)

    def _read(self, record: Incoming) -> Change:
        if record.value is None:
            return Change(record, _key(record), None)
        if len(record.value) > self._max_record_bytes:
            raise InputError(
                f"{len(record.value)} bytes are more than the {self._max_record_bytes} of max_record_bytes."
            )
        change = self._codec.decode(record.value, ProfileChange)
        validate_change(change)
        if _key(record) != change.profile_id:
            raise InputError("The record's key is not its profile_id.", "Key every change by profile_id.")
        return Change(record, change.profile_id, change)

    def _knows(self, value: bytes) -> bool:
        try:
            return self._codec.ready_for(value)
        except DecodeError:
            return True

    def _unreadable(self, record: Incoming, stage: Stage, error: KithError) -> Unreadable:
        now = now_ms()
        letter = dead_letter(record, stage, type(error).__name__, str(error), first_at=now, now=now)
        return Unreadable(record, letter)


def _key(record: Incoming) -> str:
    if record.key is None:
        raise InputError("The record has no key.", "Key every change by profile_id.")
    try:
        key = record.key.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"The record's key is not UTF-8 (byte {error.start}).", "Key every change by profile_id."
        ) from error
    validate_profile_id(key)
    return key
