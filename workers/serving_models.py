"""The models that a process answers with: loaded by name, each in the background, while the others go on."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from kith.deadline import Deadline
from kith.errors import KithError
from workers.contract import Embedder

log = structlog.get_logger(__name__)

# A release that cannot be loaded may be put right by its operator.
_LOOK_AGAIN_S = 15.0
# The live model, the one before it and a candidate.
_MOST = 3


class ServingModels:
    """Models by release name. Safe for several threads.

    Args:
        load: loads the model of a release; blocking, may raise `KithError`.
        most: models kept; the one that was asked for longest ago is dropped.
    """

    def __init__(self, load: Callable[[str], Embedder], *, most: int = _MOST) -> None:
        self._load = load
        self._most = most
        self._lock = threading.Lock()
        self._held: dict[str, Embedder] = {}
        self._loading: set[str] = set()
        self._failed: dict[str, tuple[KithError, Deadline]] = {}

    def load_now(self, model: str) -> Embedder:
        """The model, loaded before this returns. Raises what `load` raises."""
        embedder = self._load(model)
        self.keep(model, embedder)
        return embedder

    def get(self, model: str) -> Embedder | None:
        """The model; None while it is being loaded, which this begins.

        Raises:
            kith.errors.KithError: it could not be loaded; it is tried again later.
        """
        with self._lock:
            if model in self._held:
                # The last one asked for is the last one dropped.
                self._held[model] = self._held.pop(model)
                return self._held[model]
            if model in self._failed:
                error, until = self._failed[model]
                if not until.expired():
                    raise error
                del self._failed[model]
            if model not in self._loading:
                self._loading.add(model)
                threading.Thread(target=self._load_aside, args=[model], name=f"load-{model}", daemon=True).start()
        return None

    def _load_aside(self, model: str) -> None:
        try:
            embedder = self._load(model)
        except KithError as error:
            log.warning("model cannot be loaded", model=model, reason=str(error))
            with self._lock:
                self._failed[model] = error, Deadline.after(_LOOK_AGAIN_S)
                self._loading.discard(model)
            return
        self.keep(model, embedder)
        log.info("model loaded", model=model)

    def keep(self, model: str, embedder: Embedder) -> None:
        """Take a model that is loaded."""
        with self._lock:
            self._held[model] = embedder
            self._loading.discard(model)
            while len(self._held) > self._most:
                del self._held[next(iter(self._held))]
