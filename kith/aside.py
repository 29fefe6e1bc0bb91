"""Work on a thread of its own, for as long as its object is entered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Aside:
    """Base of what works beside; entered, the thread runs, and `ended` tells it to come to an end.

    Args:
        name: of the thread.
        work: returns soon after `ended` is set.
        join_s: longest wait for its end, seconds; None waits as long as it takes.
    """

    def __init__(self, name: str, work: Callable[[], None], join_s: float | None = None) -> None:
        self.ended = threading.Event()
        self._join_s = join_s
        self._thread = threading.Thread(target=work, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self._thread.join(self._join_s)
