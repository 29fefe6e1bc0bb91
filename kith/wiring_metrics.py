"""What a process says of itself at /metrics: which kith it is, and whether it is ready."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

from kith import metrics, wiring
from kith.settings import Settings


def describe(process: str, settings: Settings, ready: Callable[[], bool]) -> None:
    """Say what runs here, for as long as the process lives.

    Args:
        process: indexer or query.
        ready: asked at every scrape; reads state and calls nobody.

    Raises:
        kith.errors.ReleaseError: the model release is missing or altered.
    """
    model = wiring.release(settings).manifest.name
    metrics.BUILD_INFO.labels(process, version("kith"), model, settings.provider).set(1)
    metrics.READY.set_function(lambda: float(ready()))


def describe_gateway(ready: Callable[[], bool]) -> None:
    """As `describe`, for a process without a model."""
    metrics.BUILD_INFO.labels("gateway", version("kith"), "", "").set(1)
    metrics.READY.set_function(lambda: float(ready()))
