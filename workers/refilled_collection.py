"""A collection that is filled while nobody searches it, and made live once somebody found it whole."""

from __future__ import annotations

import time

from kith.deadline import Deadline
from workers.contract import CollectionInfo
from workers.milvus_connection import MilvusConnection
from workers.model_collections import (
    LIVE_ALIAS,
    alias_target,
    create_alias,
    create_or_find,
    drop_alias,
    filling_alias,
    settle_alias,
)

# Query consumers keep the live collection for half a second; a new one of the same name must not be taken for it.
_FORGOTTEN_S = 2.0


class RefilledCollection:
    """The collection of one release, to be filled again.

    Where it is lost (it is not there, or nothing is live), it is kept from searches until `make_live`, by a mark of
    its own that outlives this process: whoever creates it or starts to write to it leaves it so. A collection that is
    live and there is filled where it stands. Where another release is live, that one stays live.

    Args:
        wanted: the collection as the release needs it.
        prefix: of the installation's collections.
        timeout_s: for all requests of one call, seconds.
    """

    def __init__(self, connection: MilvusConnection, wanted: CollectionInfo, prefix: str, timeout_s: float) -> None:
        self.name = wanted.name
        self._connection = connection
        self._wanted = wanted
        self._prefix = prefix
        self._live = prefix + LIVE_ALIAS
        self._mark = filling_alias(wanted.name, prefix)
        self._timeout_s = timeout_s

    def open(self, *, fresh: bool) -> None:
        """Make it be there, ready to be written to; repeated after a crash at any point, it ends alike.

        Args:
            fresh: drop what is there first.

        Raises:
            kith.errors.InputError: it holds vectors of another model, renderer or dimension, and stays.
            kith.errors.Unavailable: the server does not answer in time.
        """
        deadline = Deadline.after(self._timeout_s)
        if not fresh and not self._lost(deadline):
            create_or_find(self._connection, self._wanted, deadline)
            return
        # A server keeps an alias whose collection is gone: it would name the new one while that is empty.
        self._hide(deadline)
        if fresh:
            self._drop(deadline)
        create_or_find(self._connection, self._wanted, deadline)
        create_alias(self._connection, self._wanted.name, self._mark, deadline)
        # An indexer that started before the mark stood has made it live.
        settle_alias(self._connection, self._wanted.name, self._prefix, deadline)

    def is_lost(self) -> bool:
        """Whether it is not there, or nothing that is there is live. Raises `kith.errors.Unavailable`."""
        return self._lost(Deadline.after(self._timeout_s))

    def make_live(self) -> bool:
        """Let it be searched, where nothing else is live that is there; whether it is what is searched now.

        Raises:
            kith.errors.Unavailable: the server does not answer in time.
        """
        deadline = Deadline.after(self._timeout_s)
        # The mark goes first, for with it the alias would be taken away again.
        drop_alias(self._connection, self._mark, deadline)
        target = alias_target(self._connection, self._live, deadline)
        if target is not None and target != self._wanted.name and not self._exists(target, deadline):
            drop_alias(self._connection, self._live, deadline)
        settle_alias(self._connection, self._wanted.name, self._prefix, deadline)
        return self.is_live()

    def is_live(self) -> bool:
        """Whether searches go to it. Raises `kith.errors.Unavailable`."""
        return alias_target(self._connection, self._live, Deadline.after(self._timeout_s)) == self._wanted.name

    def _lost(self, deadline: Deadline) -> bool:
        if alias_target(self._connection, self._mark, deadline) is not None:
            return True
        target = alias_target(self._connection, self._live, deadline)
        return not self._exists(self._wanted.name, deadline) or target is None or not self._exists(target, deadline)

    def _hide(self, deadline: Deadline) -> None:
        if alias_target(self._connection, self._live, deadline) == self._wanted.name:
            drop_alias(self._connection, self._live, deadline)
            time.sleep(_FORGOTTEN_S)  # noqa: TID251 (nothing tells when the last searcher has looked again)

    def _drop(self, deadline: Deadline) -> None:
        # Newer servers refuse to drop a collection that has an alias.
        drop_alias(self._connection, self._mark, deadline)
        name = self._wanted.name
        if self._exists(name, deadline):
            self._connection.call(
                f"drop {name}", deadline.remaining(), lambda c, left: c.drop_collection(name, timeout=left)
            )

    def _exists(self, name: str, deadline: Deadline) -> bool:
        return bool(
            self._connection.call(
                f"look for {name}", deadline.remaining(), lambda c, left: c.has_collection(name, timeout=left)
            )
        )
