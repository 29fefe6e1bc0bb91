"""The OpenAPI document: shapes from the record types, words from the Avro contracts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from schemas import headers
from schemas.contracts import schema_text
from schemas.search_records import SearchReply, SearchRequest
from workers.gateway.messages import FeedbackBody

_REF = "#/components/schemas/{model}"
# Content that is one of these records.
REQUEST, REPLY, FEEDBACK = (
    {"application/json": {"schema": {"$ref": _REF.format(model=kind.__name__)}}}
    for kind in (SearchRequest, SearchReply, FeedbackBody)
)

_Document = dict[str, Any]

_RIGHTS = "rights"
# What a question may carry beside its body.
QUESTION_HEADERS: _Document = {
    "security": [{}, {_RIGHTS: []}],
    "parameters": [
        {
            "name": headers.HTTP_TIMEOUT_MS,
            "in": "header",
            "required": False,
            "description": "Milliseconds to wait for the answer at most; the earlier of this and deadline_at counts.",
            "schema": {"type": "integer", "minimum": 1},
        },
        *({"name": name, "in": "header", "required": False, "schema": {"type": "string"}} for name in headers.TRACE),
    ],
}


class DescribedApp(FastAPI):
    """An application whose `/openapi.json` holds the contracts of the bus."""

    def openapi(self) -> _Document:
        """The document, made once."""
        if self.openapi_schema is None:
            made = get_openapi(title=self.title, version=self.version, description=self.description, routes=self.routes)
            parts = made.setdefault("components", {})
            parts.setdefault("schemas", {}).update(_schemas())
            parts["securitySchemes"] = {_RIGHTS: {"type": "http", "scheme": "bearer"}}
            self.openapi_schema = made
        return self.openapi_schema


def _schemas() -> _Document:
    found: _Document = {}
    for kind in (SearchRequest, SearchReply, FeedbackBody):
        schema = TypeAdapter(kind).json_schema(ref_template=_REF)
        parts = schema.pop("$defs", {}) | {kind.__name__: schema}
        if kind is SearchRequest:
            for part in parts.values():
                if "properties" in part:
                    part["additionalProperties"] = False
        found |= parts
    for record in _records(json.loads(schema_text(SearchRequest)), json.loads(schema_text(SearchReply))):
        words = {field["name"]: field["doc"] for field in record["fields"]}
        for schema in found.values():
            # Records and types are named apart; what they hold is named alike.
            if schema.get("properties", {}).keys() == words.keys():
                schema["description"] = record["doc"]
                for name, property_ in schema["properties"].items():
                    property_["description"] = words[name]
    return found


def _records(*avro: Any) -> Iterator[_Document]:
    """Every record in some Avro schemas."""
    for one in avro:
        if isinstance(one, list):
            yield from _records(*one)
        elif isinstance(one, dict):
            if one.get("type") == "record":
                yield one
            yield from _records(*(one[key] for key in ("fields", "items", "type") if key in one))
