"""Collections with their time limits bound to them: what commands over the whole index need, and no more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from workers.contract import HeldVector, Row
from workers.milvus_index import MilvusIndex
from workers.model_collections import models_of


class OneCollection:
    """One collection.

    Args:
        timeout_s: for each request, seconds.
    """

    def __init__(self, index: MilvusIndex, name: str, timeout_s: float) -> None:
        self.name = name
        self._index = index
        self._timeout_s = timeout_s

    def every_version(self) -> Iterator[tuple[str, int]]:
        """Profile id and version of every row. Raises as `MilvusIndex.every_version`."""
        return self._index.every_version(self.name, self._timeout_s)

    def versions(self, profile_ids: Sequence[str]) -> Mapping[str, int]:
        """Versions of these profiles; an absent one has no entry. Raises as `MilvusIndex.versions`."""
        return self._index.versions(self.name, profile_ids, self._timeout_s)

    def write(self, rows: Sequence[Row]) -> None:
        """Write rows with unique profile ids. Raises as `MilvusIndex.upsert`."""
        self._index.upsert(self.name, rows, self._timeout_s)

    def vectors(self, profile_ids: Sequence[str]) -> Mapping[str, HeldVector]:
        """What is held of these profiles; an absent one has no entry. Raises as `MilvusIndex.vectors`."""
        return self._index.vectors(self.name, profile_ids, self._timeout_s)

    def delete(self, profile_ids: Sequence[str]) -> None:
        """Remove profiles; an absent one is no error. Raises as `MilvusIndex.delete`."""
        self._index.delete(self.name, profile_ids, self._timeout_s)


class EveryCollection:
    """Every collection of one installation.

    Args:
        prefix: of the installation's collections.
        timeout_s: for each request, seconds.
    """

    def __init__(self, index: MilvusIndex, prefix: str, timeout_s: float) -> None:
        self._index = index
        self._prefix = prefix
        self._timeout_s = timeout_s

    def models(self) -> dict[str, str]:
        """The release whose vectors each collection holds, by the collection's name.

        Raises:
            kith.errors.Unavailable: Milvus does not answer.
        """
        return models_of(self._index.connection, self._timeout_s, self._prefix)

    def delete(self, collection: str, profile_id: str) -> None:
        """Remove a profile; an absent one is no error. Raises as `MilvusIndex.delete`."""
        self._index.delete(collection, [profile_id], self._timeout_s)

    def holds(self, collection: str, profile_id: str) -> bool:
        """Whether the profile is there. Raises as `MilvusIndex.versions`."""
        return profile_id in self._index.versions(collection, [profile_id], self._timeout_s)
