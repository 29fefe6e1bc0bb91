"""What a process says of itself at /metrics: which kith it is, and whether it is ready."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import TYPE_CHECKING

from kith import metrics

if TYPE_CHECKING:
    from workers.embedding import RunsOn


def describe(process: str, runs_on: RunsOn, ready: Callable[[], bool]) -> None:
    """Say what runs here, for as long as the process lives.

    Args:
        process: indexer or query.
        runs_on: of its model; the provider that really runs it, whatever was asked for.
        ready: asked at every scrape; reads state and calls nobody.
    """
    metrics.BUILD_INFO.labels(process, version("kith"), runs_on.model, runs_on.provider).set(1)
    metrics.READY.set_function(lambda: float(ready()))


def describe_gateway(ready: Callable[[], bool]) -> None:
    """As `describe`, for a process without a model."""
    metrics.BUILD_INFO.labels("gateway", version("kith"), "", "").set(1)
    metrics.READY.set_function(lambda: float(ready()))
