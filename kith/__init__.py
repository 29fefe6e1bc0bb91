"""kith: streaming people search by meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kith.client import SearchClient

__all__ = ["SearchClient"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`SearchClient`, loaded when it is asked for: a command that needs no Kafka should not wait for its library."""
    if name == "SearchClient":
        from kith.client import SearchClient

        return SearchClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
