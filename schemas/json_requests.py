"""Requests and replies as JSON, for services without a registry: the fields of the contracts, and no others."""

from __future__ import annotations

import json
from functools import cache

from pydantic import TypeAdapter, ValidationError

from schemas.codec import DecodeError
from schemas.records import to_avro
from schemas.search_records import SearchReply, SearchRequest

CONTENT_TYPE = b"application/json"


def decode_request(data: bytes) -> SearchRequest:
    """The request in a JSON text.

    Raises:
        DecodeError: it is no JSON, lacks a field, has an unknown one, or one of another type; names the first.
    """
    try:
        return _requests().validate_json(data, strict=True, extra="forbid")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        what = f"{where}: {first['msg']}" if where else first["msg"]
        raise DecodeError(f"The request is not as its contract says: {what}.") from error


def encode_reply(reply: SearchReply) -> bytes:
    """The JSON text of a reply, UTF-8."""
    return json.dumps(to_avro(reply), ensure_ascii=False).encode()


@cache
def _requests() -> TypeAdapter[SearchRequest]:
    return TypeAdapter(SearchRequest)
