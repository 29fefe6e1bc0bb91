"""Collections of model releases and the live alias, on the server at `milvus_uri`."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import numpy as np
import pytest
from pymilvus import CollectionSchema, FieldSchema

from kith.deadline import Deadline
from kith.errors import InputError, Unavailable
from workers.contract import CollectionInfo, ProfileFields, Row
from workers.milvus_errors import MissingCollection
from workers.milvus_index import MilvusIndex
from workers.model_collections import (
    LIVE_ALIAS,
    collection_name,
    create_alias,
    describe,
    ensure_collection,
    filling_alias,
    find_collection,
    resolve_live,
)
from workers.refilled_collection import RefilledCollection

DIM = 16
TIMEOUT_S = 30.0
RENDERER = "profile-text-1"


@pytest.fixture
def milvus(milvus_uri: str) -> Iterator[MilvusIndex]:
    index = MilvusIndex(milvus_uri)
    yield index
    index.close()


RELEASE = "student-v1"


@pytest.fixture
def prefix(milvus: MilvusIndex) -> Iterator[str]:
    # Names of its own: the server is shared with other tests.
    name = f"t{uuid4().hex[:12]}_"
    yield name
    for alias in (name + LIVE_ALIAS, filling_alias(collection_name(RELEASE, name), name)):
        with contextlib.suppress(Unavailable):  # a test may not have come to create it
            milvus.connection.call("drop", TIMEOUT_S, lambda c, left, alias=alias: c.drop_alias(alias, timeout=left))
    for collection in (collection_name(RELEASE, name), collection_name(f"{RELEASE}-next", name)):
        with contextlib.suppress(Unavailable):
            milvus.connection.call(
                "drop", TIMEOUT_S, lambda c, left, collection=collection: c.drop_collection(collection, timeout=left)
            )


def ensure(
    milvus: MilvusIndex, prefix: str, release: str = RELEASE, renderer: str = RENDERER, dim: int = DIM
) -> CollectionInfo:
    return ensure_collection(milvus.connection, release, renderer, dim, TIMEOUT_S, prefix)


def rows(count: int) -> list[Row]:
    return [
        Row(f"p{n}", 1, ProfileFields(name="n"), "text", np.eye(DIM, dtype=np.float32)[n % DIM]) for n in range(count)
    ]


def test_ensuring_a_collection_twice_changes_nothing(milvus: MilvusIndex, prefix: str) -> None:
    first = ensure(milvus, prefix)
    milvus.upsert(first.name, rows(1), TIMEOUT_S)

    again = ensure(milvus, prefix)

    assert again == first == describe(milvus.connection, first.name, TIMEOUT_S)
    assert (first.name, first.model) == (collection_name(RELEASE, prefix), RELEASE)
    assert (first.renderer, first.dim) == (RENDERER, DIM)
    assert milvus.count(first.name, TIMEOUT_S) == 1


def test_a_collection_of_something_else_is_refused(milvus: MilvusIndex, prefix: str) -> None:
    ensure(milvus, prefix)

    for name, renderer, dim, words in (
        (RELEASE, RENDERER, DIM + 1, "dimensions 16"),
        (RELEASE, "other-text-1", DIM, f"renderer {RENDERER}"),
        (RELEASE.replace("-", "."), RENDERER, DIM, f"model {RELEASE}"),
    ):
        with pytest.raises(InputError, match=words):
            ensure(milvus, prefix, name, renderer, dim)


def test_processes_that_start_at_once_share_one_collection(milvus_uri: str, milvus: MilvusIndex, prefix: str) -> None:
    start = threading.Barrier(4)

    def begin(_: int) -> str:
        mine = MilvusIndex(milvus_uri)
        start.wait()
        info = ensure(mine, prefix)
        mine.close()
        return info.name

    with ThreadPoolExecutor(4) as pool:
        [name] = set(pool.map(begin, range(4)))

    milvus.upsert(name, rows(100), TIMEOUT_S)
    assert milvus.count(name, TIMEOUT_S) == 100
    assert resolve_live(milvus.connection, TIMEOUT_S, prefix).name == name


def test_the_live_alias_names_a_concrete_collection_and_is_never_moved(milvus: MilvusIndex, prefix: str) -> None:
    with pytest.raises(MissingCollection, match=prefix + LIVE_ALIAS):
        resolve_live(milvus.connection, TIMEOUT_S, prefix)

    first = ensure(milvus, prefix)
    other = ensure(milvus, prefix, f"{RELEASE}-next")
    assert resolve_live(milvus.connection, TIMEOUT_S, prefix) == first

    milvus.connection.call(
        "move", TIMEOUT_S, lambda c, left: c.alter_alias(other.name, prefix + LIVE_ALIAS, timeout=left)
    )
    ensure(milvus, prefix)
    assert resolve_live(milvus.connection, TIMEOUT_S, prefix) == other


def test_an_alias_whose_collection_is_gone_is_said_to_be_so(milvus: MilvusIndex, prefix: str) -> None:
    name = ensure(milvus, prefix).name
    milvus.connection.call("drop", TIMEOUT_S, lambda c, left: c.drop_collection(name, timeout=left))

    # Milvus Lite forgets the alias with its collection, a server keeps it.
    with pytest.raises(MissingCollection, match=f"{name}|{prefix}{LIVE_ALIAS}"):
        resolve_live(milvus.connection, TIMEOUT_S, prefix)


def test_a_collection_of_another_maker_is_refused(milvus: MilvusIndex, prefix: str) -> None:
    foreign = collection_name(RELEASE, prefix)
    milvus.connection.call("create", TIMEOUT_S, lambda c, left: c.create_collection(foreign, dimension=4, timeout=left))

    with pytest.raises(InputError, match="does not say which model"):
        describe(milvus.connection, foreign, TIMEOUT_S)


def create_as_an_earlier_kith_did(milvus: MilvusIndex, prefix: str) -> str:
    """The collection and the live alias, from before there were rights and years."""
    made = ensure(milvus, prefix)
    described = milvus.connection.call(
        "describe", TIMEOUT_S, lambda c, left: c.describe_collection(made.name, timeout=left)
    )
    later = ("visibility", "career_since", "words", "words_bm25")
    fields = [one for one in described["fields"] if one["name"] not in later]
    alias = prefix + LIVE_ALIAS
    milvus.connection.call("drop", TIMEOUT_S, lambda c, left: c.drop_alias(alias, timeout=left))
    milvus.connection.call("drop", TIMEOUT_S, lambda c, left: c.drop_collection(made.name, timeout=left))
    schema = CollectionSchema([FieldSchema.construct_from_dict(one) for one in fields])
    properties = dict(described["properties"])
    milvus.connection.call(
        "create",
        TIMEOUT_S,
        lambda c, left: c.create_collection(made.name, schema=schema, properties=properties, timeout=left),
    )
    milvus.connection.call("alias", TIMEOUT_S, lambda c, left: c.create_alias(made.name, alias, timeout=left))
    return made.name


def test_a_collection_of_an_earlier_kith_is_refused_with_the_command_that_makes_it_anew(
    milvus: MilvusIndex, prefix: str
) -> None:
    name = create_as_an_earlier_kith_did(milvus, prefix)

    for start in (
        lambda: ensure(milvus, prefix),
        lambda: find_collection(milvus.connection, describe(milvus.connection, name, TIMEOUT_S), TIMEOUT_S),
        lambda: resolve_live(milvus.connection, TIMEOUT_S, prefix).require_whole(),
    ):
        with pytest.raises(InputError, match=f"{name}.*visibility and career_since.*kith rebuild --fresh"):
            start()
    assert resolve_live(milvus.connection, TIMEOUT_S, prefix).model == RELEASE

    collection = refilled(milvus, prefix)
    collection.open(fresh=True)
    milvus.upsert(name, rows(1), TIMEOUT_S)
    assert collection.make_live()
    resolve_live(milvus.connection, TIMEOUT_S, prefix).require_whole()


def refilled(milvus: MilvusIndex, prefix: str, release: str = RELEASE, dim: int = DIM) -> RefilledCollection:
    wanted = CollectionInfo(collection_name(release, prefix), release, RENDERER, dim)
    return RefilledCollection(milvus.connection, wanted, prefix, TIMEOUT_S)


def test_a_lost_collection_is_live_once_it_is_said_to_be_whole(milvus: MilvusIndex, prefix: str) -> None:
    ensure(milvus, prefix)
    milvus.connection.call("drop", TIMEOUT_S, lambda c, left: c.drop_alias(prefix + LIVE_ALIAS, timeout=left))
    one = refilled(milvus, prefix)
    for _again in range(2):
        one.open(fresh=False)
        milvus.upsert(one.name, rows(10), TIMEOUT_S)
        # An indexer that starts, and one that made it live before the mark stood.
        ensure(milvus, prefix)
        assert not one.is_live()
        create_alias(milvus.connection, one.name, prefix + LIVE_ALIAS, Deadline.after(TIMEOUT_S))
    ensure(milvus, prefix)
    assert not one.is_live()

    assert one.make_live()
    assert one.make_live()
    assert resolve_live(milvus.connection, TIMEOUT_S, prefix).name == one.name
    assert milvus.count(one.name, TIMEOUT_S) == 10

    one.open(fresh=False)
    assert one.is_live(), "one that is live and there is filled where it stands"


def test_a_fresh_collection_is_empty_and_not_live(milvus: MilvusIndex, prefix: str) -> None:
    name = ensure(milvus, prefix).name
    milvus.upsert(name, rows(10), TIMEOUT_S)
    one = refilled(milvus, prefix)
    for _again in range(2):
        one.open(fresh=True)
        assert (milvus.count(name, TIMEOUT_S), one.is_live()) == (0, False)
        milvus.upsert(name, rows(10), TIMEOUT_S)
    assert one.make_live()
    assert milvus.count(name, TIMEOUT_S) == 10


def test_an_alias_that_outlived_its_collection_does_not_make_the_new_one_live(milvus: MilvusIndex, prefix: str) -> None:
    name = ensure(milvus, prefix).name
    with contextlib.suppress(Unavailable, InputError):  # newer servers refuse while the alias is there
        milvus.connection.call("drop", TIMEOUT_S, lambda c, left: c.drop_collection(name, timeout=left))
    one = refilled(milvus, prefix)
    one.open(fresh=True)
    assert not one.is_live()
    assert one.make_live()


def test_where_another_release_is_live_it_stays_live(milvus: MilvusIndex, prefix: str) -> None:
    first = ensure(milvus, prefix)
    other = refilled(milvus, prefix, f"{RELEASE}-next")
    other.open(fresh=False)
    assert not other.make_live()
    other.open(fresh=True)
    assert not other.make_live()
    assert resolve_live(milvus.connection, TIMEOUT_S, prefix) == first


def test_a_collection_of_something_else_is_not_filled(milvus: MilvusIndex, prefix: str) -> None:
    ensure(milvus, prefix)
    with pytest.raises(InputError, match="dimensions 16"):
        refilled(milvus, prefix, dim=DIM + 1).open(fresh=False)
    assert refilled(milvus, prefix).is_live()
