"""Who looks at the index all the time, and what counts as a profile set back."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from kith.errors import Unavailable
from workers.milvus_index import MilvusIndex

_READ_S = 5.0


@dataclass
class Seen:
    """Versions that were seen, and the profiles that fell below them.

    One reading proves nothing: Milvus Lite may show an older row while it is written to (docs/decisions/0010).

    Attributes:
        newest: the highest version seen of each profile.
        doubted: fell in one reading, and there was no second one yet.
        set_back: fell in two readings, one after the other.
        flickered: fell in one reading, and the next one did not say so.
    """

    newest: dict[str, int] = field(default_factory=dict)
    doubted: set[str] = field(default_factory=set)
    set_back: set[str] = field(default_factory=set)
    flickered: set[str] = field(default_factory=set)

    def note(self, profile_id: str, version: int) -> None:
        """What a reading of everything says."""
        if version < self.newest.get(profile_id, version):
            self.doubted.add(profile_id)
        self.newest[profile_id] = max(version, self.newest.get(profile_id, version))

    def settle(self, held: Mapping[str, int]) -> None:
        """What a second reading of those that are doubted says; one that is absent was deleted."""
        for profile_id in self.doubted:
            version = held.get(profile_id)
            fell = version is not None and version < self.newest[profile_id]
            (self.set_back if fell else self.flickered).add(profile_id)
            if version is not None:
                self.newest[profile_id] = max(version, self.newest[profile_id])
        self.doubted.clear()


class Watcher(threading.Thread):
    """Reads every version of a collection again and again; what fell is read a second time at once.

    Attributes:
        looks: how often everything was read to its end.
    """

    def __init__(self, index: MilvusIndex, collection: str, pause_s: float = 0.5) -> None:
        super().__init__(daemon=True)
        self._index = index
        self._collection = collection
        self._pause_s = pause_s
        self._ended = threading.Event()
        self.seen = Seen()
        self.looks = 0

    def run(self) -> None:
        while not self._ended.wait(self._pause_s):
            try:
                self.look()
            except Unavailable:
                continue  # that is what the fault is; what is in doubt stays so until it can be read

    def look(self) -> None:
        self._settle()  # what was left in doubt when the index went away
        for profile_id, version in self._index.every_version(self._collection, _READ_S):
            self.seen.note(profile_id, version)
        self._settle()
        self.looks += 1

    def _settle(self) -> None:
        if self.seen.doubted:
            self.seen.settle(self._index.versions(self._collection, sorted(self.seen.doubted), _READ_S))

    def finish(self) -> Seen:
        """End. The last look must succeed, so that no doubt is left."""
        self._ended.set()
        self.join(30)
        assert not self.is_alive(), "the watcher does not end"
        self.look()
        return self.seen
