"""Collections of model releases and the live alias, on the server at `milvus_uri`."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import numpy as np
import pytest

from kith.errors import InputError, Unavailable
from workers.contract import CollectionInfo, ProfileFields, Row
from workers.milvus_errors import MissingCollection
from workers.milvus_index import MilvusIndex
from workers.model_collections import collection_name, describe, ensure_collection, resolve_live

DIM = 16
TIMEOUT_S = 30.0
RENDERER = "profile-text-1"


@pytest.fixture
def milvus(milvus_uri: str) -> Iterator[MilvusIndex]:
    index = MilvusIndex(milvus_uri)
    yield index
    index.close()


@pytest.fixture
def release() -> str:
    # A name of its own: the server may be shared with other tests.
    return f"t-{uuid4().hex[:12]}"


@pytest.fixture
def alias(milvus: MilvusIndex, release: str) -> Iterator[str]:
    name = f"live_{release.removeprefix('t-')}"
    yield name
    drop(milvus, name, release, f"{release}-next")


def drop(milvus: MilvusIndex, alias: str, *releases: str) -> None:
    with contextlib.suppress(Unavailable):  # a test may not have come to create it
        milvus.connection.call("drop", TIMEOUT_S, lambda c, left: c.drop_alias(alias, timeout=left))
    for name in map(collection_name, releases):
        with contextlib.suppress(Unavailable):
            milvus.connection.call(
                f"drop {name}", TIMEOUT_S, lambda c, left, name=name: c.drop_collection(name, timeout=left)
            )


def ensure(milvus: MilvusIndex, release: str, alias: str, renderer: str = RENDERER, dim: int = DIM) -> CollectionInfo:
    return ensure_collection(milvus.connection, release, renderer, dim, TIMEOUT_S, alias)


def rows(count: int) -> list[Row]:
    return [
        Row(f"p{n}", 1, ProfileFields(name="n"), "text", np.eye(DIM, dtype=np.float32)[n % DIM]) for n in range(count)
    ]


def test_ensuring_a_collection_twice_changes_nothing(milvus: MilvusIndex, release: str, alias: str) -> None:
    first = ensure(milvus, release, alias)
    milvus.upsert(first.name, rows(1), TIMEOUT_S)

    again = ensure(milvus, release, alias)

    assert again == first == describe(milvus.connection, first.name, TIMEOUT_S)
    assert (first.name, first.model) == (collection_name(release), release)
    assert (first.renderer, first.dim) == (RENDERER, DIM)
    assert milvus.count(first.name, TIMEOUT_S) == 1


def test_a_collection_of_something_else_is_refused(milvus: MilvusIndex, release: str, alias: str) -> None:
    ensure(milvus, release, alias)

    for name, renderer, dim, words in (
        (release, RENDERER, DIM + 1, "dimensions 16"),
        (release, "other-text-1", DIM, f"renderer {RENDERER}"),
        (release.replace("-", "."), RENDERER, DIM, f"model {release}"),
    ):
        with pytest.raises(InputError, match=words):
            ensure(milvus, name, alias, renderer, dim)


def test_processes_that_start_at_once_share_one_collection(
    milvus_uri: str, milvus: MilvusIndex, release: str, alias: str
) -> None:
    start = threading.Barrier(4)

    def begin(_: int) -> str:
        mine = MilvusIndex(milvus_uri)
        start.wait()
        info = ensure(mine, release, alias)
        mine.close()
        return info.name

    with ThreadPoolExecutor(4) as pool:
        [name] = set(pool.map(begin, range(4)))

    milvus.upsert(name, rows(100), TIMEOUT_S)
    assert milvus.count(name, TIMEOUT_S) == 100
    assert resolve_live(milvus.connection, TIMEOUT_S, alias).name == name


def test_the_live_alias_names_a_concrete_collection_and_is_never_moved(
    milvus: MilvusIndex, release: str, alias: str
) -> None:
    with pytest.raises(MissingCollection, match=alias):
        resolve_live(milvus.connection, TIMEOUT_S, alias)

    first = ensure(milvus, release, alias)
    other = ensure(milvus, f"{release}-next", alias)
    assert resolve_live(milvus.connection, TIMEOUT_S, alias) == first

    milvus.connection.call("move", TIMEOUT_S, lambda c, left: c.alter_alias(other.name, alias, timeout=left))
    ensure(milvus, release, alias)
    assert resolve_live(milvus.connection, TIMEOUT_S, alias) == other


def test_an_alias_whose_collection_is_gone_is_said_to_be_so(milvus: MilvusIndex, release: str, alias: str) -> None:
    name = ensure(milvus, release, alias).name
    milvus.connection.call("drop", TIMEOUT_S, lambda c, left: c.drop_collection(name, timeout=left))

    # Milvus Lite forgets the alias with its collection, a server keeps it.
    with pytest.raises(MissingCollection, match=f"{name}|{alias}"):
        resolve_live(milvus.connection, TIMEOUT_S, alias)


def test_a_collection_of_another_maker_is_refused(milvus: MilvusIndex, release: str, alias: str) -> None:
    foreign = collection_name(release)
    milvus.connection.call("create", TIMEOUT_S, lambda c, left: c.create_collection(foreign, dimension=4, timeout=left))

    with pytest.raises(InputError, match="does not say which model"):
        describe(milvus.connection, foreign, TIMEOUT_S)
