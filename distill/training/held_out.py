"""Keeps the golden set out of the training: no training text may name one of its occupations, in any language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable


class HeldOut:
    """The names of the occupations that training must not see.

    Args:
        names: titles in any language; case and accents do not matter.
    """

    def __init__(self, names: Iterable[str]) -> None:
        folded = sorted({_folded(name) for name in names}, key=len, reverse=True)
        self._names = re.compile(rf"\b(?:{'|'.join(map(re.escape, folded))})\b") if folded else None

    def named_in(self, text: str) -> str | None:
        """The held-out name that the text holds as whole words; None when it holds none."""
        found = self._names.search(_folded(text)) if self._names else None
        return found.group() if found else None

    def free(self, texts: Iterable[str]) -> tuple[str, ...]:
        """The texts that name no held-out occupation."""
        return tuple(text for text in texts if self.named_in(text) is None)


def _folded(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))
