"""Model release to Milvus collection: names, schema, creation, and which collection is live."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pymilvus import CollectionSchema, DataType, MilvusClient
from pymilvus.exceptions import MilvusException
from pymilvus.milvus_client.index import IndexParams

from kith.deadline import Deadline
from kith.errors import InputError
from workers.contract import CollectionInfo
from workers.filters import FILTERABLE_FIELDS, stored_field
from workers.limits import FIELD_LIMITS, PROFILE_ID_LIMIT, TEXT_LIMIT
from workers.milvus_connection import Capabilities, MilvusConnection
from workers.milvus_errors import MissingCollection
from workers.milvus_index import vector_dim
from workers.milvus_rows import (
    CAREER_FIELD,
    ID_FIELD,
    OCCURRED_FIELD,
    STORED_FIELDS,
    TEXT_FIELD,
    VECTOR_FIELD,
    VERSION_FIELD,
)
from workers.milvus_words import BM25_FIELD, BM25_INDEX, add_word_fields, has_word_fields
from workers.words import WORDS_ID

LIVE_ALIAS = "profiles"

# An alias of a collection while it is filled and nobody may search it: aliases work alike on every server.
_FILLING_ALIAS = "profiles_filling__"
_COLLECTION_PREFIX = "profiles__"
_MODEL, _RENDERER, _DIM, _WORDS = "kith.model", "kith.renderer", "kith.dim", "kith.words"
_RELEASE_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
# Milvus Lite opens a collection twice when it is asked for one that another request is still creating.
_LITE_SETTLE_S = 0.5


def collection_name(release_name: str, prefix: str = "") -> str:
    """Collection of a model release: `student-v0` lives in `profiles__student_v0`.

    Raises:
        kith.errors.InputError: not a release name (letters, digits, inner `.`, `-`, `_`; 1 to 128 characters).
    """
    if not _RELEASE_NAME.fullmatch(release_name):
        raise InputError(
            f"{release_name!r} is not a release name.",
            "Use up to 128 letters and digits, with dots, dashes and underscores between them.",
        )
    return prefix + _COLLECTION_PREFIX + re.sub(r"[.-]", "_", release_name)


def ensure_collection(
    connection: MilvusConnection,
    release_name: str,
    renderer: str,
    dim: int,
    timeout_s: float,
    prefix: str = "",
) -> CollectionInfo:
    """Make the collection of a release be there, indexed and loaded, and the live alias exist.

    Repeating it is harmless, as is a second process doing the same. The alias is pointed at this collection only when
    there is none and the collection is not just being filled; it is never moved.

    Args:
        connection: to the server.
        release_name: the model release; becomes the collection's name and its `model`.
        renderer: id of the renderer that makes the texts.
        dim: dimensions of the release's vectors.
        timeout_s: for everything together, seconds.
        prefix: put before the names of collection and alias; keeps installations on one server apart.

    Raises:
        kith.errors.InputError: a collection of that name holds vectors of another model, renderer or dimension.
        kith.errors.Unavailable: the server does not answer in time.
    """
    wanted = CollectionInfo(collection_name(release_name, prefix), release_name, renderer, dim)
    deadline = Deadline.after(timeout_s)
    found = create_or_find(connection, wanted, deadline)
    settle_alias(connection, wanted.name, prefix, deadline)
    return found


def create_or_find(connection: MilvusConnection, wanted: CollectionInfo, deadline: Deadline) -> CollectionInfo:
    """Make a collection be there, indexed and loaded; aliases stay as they are. Raises as `ensure_collection`."""
    capabilities = connection.capabilities(deadline.remaining())
    connection.call(
        f"create {wanted.name}", deadline.remaining(), lambda c, left: _create(c, wanted, capabilities, left)
    )
    found = describe(connection, wanted.name, deadline.remaining())
    _require_same(wanted, found)
    connection.call(
        f"index and load {wanted.name}",
        deadline.remaining(),
        lambda c, left: _index_and_load(c, wanted.name, capabilities, Deadline.after(left)),
    )
    return found


def find_collection(connection: MilvusConnection, wanted: CollectionInfo, timeout_s: float) -> CollectionInfo:
    """The collection of a release, which has to be there.

    Raises:
        workers.milvus_errors.MissingCollection: it is not.
        kith.errors.InputError, kith.errors.Unavailable: as `ensure_collection`.
    """
    found = describe(connection, wanted.name, timeout_s)
    _require_same(wanted, found)
    return found


def resolve_live(connection: MilvusConnection, timeout_s: float, prefix: str = "") -> CollectionInfo:
    """The concrete collection behind the alias, and what its vectors were made with.

    Raises:
        workers.milvus_errors.MissingCollection: the alias, or the collection behind it, does not exist (yet).
        kith.errors.InputError: the collection is not one of kith's.
        kith.errors.Unavailable: the server does not answer in time.
    """
    deadline = Deadline.after(timeout_s)
    alias = prefix + LIVE_ALIAS
    target = connection.call(
        f"resolve the alias {alias}", deadline.remaining(), lambda c, left: c.describe_alias(alias, timeout=left)
    )
    return describe(connection, target["collection_name"], deadline.remaining())


def live_model(connection: MilvusConnection, timeout_s: float, prefix: str = "") -> str:
    """Name of the release whose collection is live. Raises as `resolve_live`."""
    return resolve_live(connection, timeout_s, prefix).model


def point_alias(connection: MilvusConnection, name: str, timeout_s: float, prefix: str = "") -> None:
    """Make a collection the live one, in one request. Repeating it is harmless.

    Raises:
        workers.milvus_errors.MissingCollection: there is no such collection, or no alias yet.
        kith.errors.Unavailable: the server does not answer in time.
    """
    deadline = Deadline.after(timeout_s)
    # An alias may be pointed at what does not exist.
    describe(connection, name, deadline.remaining())
    alias = prefix + LIVE_ALIAS
    connection.call(
        f"point the alias {alias} at {name}",
        deadline.remaining(),
        lambda c, left: c.alter_alias(name, alias, timeout=left),
    )


def drop_collection(connection: MilvusConnection, name: str, timeout_s: float, prefix: str = "") -> None:
    """Drop a collection that is not live; one that is not there is no error.

    Raises:
        kith.errors.InputError: it is live.
        kith.errors.Unavailable: the server does not answer in time.
    """
    deadline = Deadline.after(timeout_s)
    if resolve_live(connection, deadline.remaining(), prefix).name == name:
        raise InputError(f"The collection {name} is live.", "Promote or roll back first.")
    connection.call(f"drop {name}", deadline.remaining(), lambda c, left: c.drop_collection(name, timeout=left))


def describe(connection: MilvusConnection, name: str, timeout_s: float) -> CollectionInfo:
    """What a collection's vectors were made with.

    Raises:
        workers.milvus_errors.MissingCollection: there is no such collection.
        kith.errors.InputError: it is not one of kith's.
        kith.errors.Unavailable: the server does not answer in time.
    """
    described = connection.call(
        f"describe {name}", timeout_s, lambda c, left: c.describe_collection(name, timeout=left)
    )
    properties: Mapping[str, str] = {str(key): str(value) for key, value in described["properties"].items()}
    if _MODEL not in properties or _RENDERER not in properties:
        raise InputError(
            f"The collection {name} does not say which model made its vectors.",
            "Drop it, or point the alias at a collection that kith created.",
        )
    there = {field["name"] for field in described["fields"]}
    lacks = tuple(field for field in STORED_FIELDS if field not in there)
    # Words that were made in another way would not meet those of a question.
    keywords = properties.get(_WORDS) == WORDS_ID
    return CollectionInfo(
        name, properties[_MODEL], properties[_RENDERER], vector_dim(described), properties, keywords, lacks
    )


def models_of(connection: MilvusConnection, timeout_s: float, prefix: str = "") -> dict[str, str]:
    """The release whose vectors each collection of an installation holds, by the collection's name.

    Raises:
        kith.errors.Unavailable: the server does not answer in time.
    """
    deadline = Deadline.after(timeout_s)
    names = connection.call(
        "list the collections", deadline.remaining(), lambda c, left: c.list_collections(timeout=left)
    )
    ours = sorted(name for name in names if name.startswith(prefix + _COLLECTION_PREFIX))
    return {name: describe(connection, name, deadline.remaining()).model for name in ours}


def _create(client: MilvusClient, wanted: CollectionInfo, capabilities: Capabilities, timeout_s: float) -> None:
    # Creating comes before asking: asking Milvus Lite for a collection in creation breaks it (see _LITE_SETTLE_S).
    properties = {_MODEL: wanted.model, _RENDERER: wanted.renderer, _DIM: str(wanted.dim)}
    if capabilities.full_text:
        properties[_WORDS] = WORDS_ID
    try:
        client.create_collection(
            wanted.name,
            schema=collection_schema(wanted.dim, with_words=capabilities.full_text),
            properties=properties,
            consistency_level="Bounded",
            timeout=timeout_s,
        )
    except MilvusException:
        if capabilities.is_lite:
            time.sleep(_LITE_SETTLE_S)  # noqa: TID251 (asking is what must not happen now)
        # No common code says "already exists", so the collection itself has to.
        if not client.has_collection(wanted.name, timeout=timeout_s):
            raise


def collection_schema(dim: int, *, with_words: bool) -> CollectionSchema:
    """Fields of a collection of vectors of so many dimensions; with words where its server makes BM25 of them."""
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field(ID_FIELD, DataType.VARCHAR, is_primary=True, max_length=PROFILE_ID_LIMIT.max_bytes)
    schema.add_field(VERSION_FIELD, DataType.INT64)
    for name, limit in FIELD_LIMITS.items():
        if limit.max_items is None:
            schema.add_field(name, DataType.VARCHAR, max_length=limit.max_bytes)
        else:
            schema.add_field(
                name,
                DataType.ARRAY,
                element_type=DataType.VARCHAR,
                max_capacity=limit.max_items,
                max_length=limit.max_bytes,
            )
    schema.add_field(OCCURRED_FIELD, DataType.INT64)
    schema.add_field(CAREER_FIELD, DataType.INT64)
    schema.add_field(TEXT_FIELD, DataType.VARCHAR, max_length=TEXT_LIMIT.max_bytes)
    schema.add_field(VECTOR_FIELD, DataType.FLOAT_VECTOR, dim=dim)
    if with_words:
        add_word_fields(schema)
    return schema


def _index_and_load(client: MilvusClient, name: str, capabilities: Capabilities, deadline: Deadline) -> None:
    indexed = {
        str(client.describe_index(name, i, timeout=deadline.remaining())["field_name"])
        for i in client.list_indexes(name, timeout=deadline.remaining())
    }
    # One that was made before kith searched words, or by an older server, has none.
    with_words = has_word_fields(client.describe_collection(name, timeout=deadline.remaining()))
    for field, index in _indexes(capabilities, with_words=with_words).items():
        if field not in indexed:
            _create_index(client, name, field, index, deadline)
    client.load_collection(name, timeout=deadline.remaining())


def _indexes(capabilities: Capabilities, *, with_words: bool) -> dict[str, Mapping[str, Any]]:
    indexes: dict[str, Mapping[str, Any]] = {
        VECTOR_FIELD: {"index_type": capabilities.vector_index, "metric_type": "COSINE"}
    }
    if capabilities.inverted_indexes:
        indexes |= {stored_field(name): {"index_type": "INVERTED"} for name in FILTERABLE_FIELDS if name != ID_FIELD}
    if with_words:
        indexes[BM25_FIELD] = BM25_INDEX
    return indexes


def _create_index(client: MilvusClient, name: str, field: str, index: Mapping[str, Any], deadline: Deadline) -> None:
    params: IndexParams = client.prepare_index_params()
    params.add_index(field, index_name=field, **index)
    try:
        # sync would poll without any time limit; on a new collection there is nothing to wait for.
        client.create_index(name, params, timeout=deadline.remaining(), sync=False)
    except MilvusException:
        # Another process may have been first.
        if field not in client.list_indexes(name, timeout=deadline.remaining()):
            raise


def filling_alias(name: str, prefix: str = "") -> str:
    """The alias that a collection has while it is filled."""
    return prefix + _FILLING_ALIAS + name.removeprefix(prefix + _COLLECTION_PREFIX)


def settle_alias(connection: MilvusConnection, name: str, prefix: str, deadline: Deadline) -> None:
    """Make a collection live where none is; one that is being filled, make it not live.

    Who fills a collection marks it and then looks whether it is live; this looks at the mark after each change. So one
    sees what the other did, in whatever order they come.

    Raises:
        kith.errors.Unavailable: the server does not answer in time.
    """
    live = prefix + LIVE_ALIAS
    while True:
        target = alias_target(connection, live, deadline)
        filling = alias_target(connection, filling_alias(name, prefix), deadline) is not None
        if filling and target == name:
            drop_alias(connection, live, deadline)
        elif not filling and target is None:
            create_alias(connection, name, live, deadline)
        else:
            return


def alias_target(connection: MilvusConnection, alias: str, deadline: Deadline) -> str | None:
    """The collection that an alias names, which need not exist any more; None without such an alias.

    Raises:
        kith.errors.Unavailable: the server does not answer in time.
    """
    try:
        found = connection.call(
            f"resolve the alias {alias}", deadline.remaining(), lambda c, left: c.describe_alias(alias, timeout=left)
        )
    except MissingCollection:
        return None
    return str(found["collection_name"])


def create_alias(connection: MilvusConnection, name: str, alias: str, deadline: Deadline) -> None:
    """Make an alias be there; one that is there already stays as it is. Raises as `alias_target`."""
    connection.call(
        f"create the alias {alias}",
        deadline.remaining(),
        lambda c, left: _create_alias(c, name, alias, Deadline.after(left)),
    )


def drop_alias(connection: MilvusConnection, alias: str, deadline: Deadline) -> None:
    """Make an alias be gone. Raises as `alias_target`."""
    with suppress(MissingCollection):
        connection.call(
            f"drop the alias {alias}", deadline.remaining(), lambda c, left: c.drop_alias(alias, timeout=left)
        )


def _create_alias(client: MilvusClient, name: str, alias: str, deadline: Deadline) -> None:
    try:
        client.create_alias(name, alias, timeout=deadline.remaining())
    except MilvusException:
        try:
            # Another process may have been first.
            client.describe_alias(alias, timeout=deadline.remaining())
        except MilvusException:
            # A server may keep an alias whose collection is gone, and not describe it; else this raises what is wrong.
            client.alter_alias(name, alias, timeout=deadline.remaining())


def _require_same(wanted: CollectionInfo, found: CollectionInfo) -> None:
    for what, want, have in (
        ("model", wanted.model, found.model),
        ("renderer", wanted.renderer, found.renderer),
        ("dimensions", wanted.dim, found.dim),
    ):
        if want != have:
            raise InputError(
                f"The collection {wanted.name} was made with {what} {have}, but this release has {what} {want}.",
                "Give the release another name, or drop the collection and rebuild it.",
            )
    found.require_whole()
