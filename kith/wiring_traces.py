"""Composition of traces: settings to what records them, or to nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from urllib.parse import urlsplit

from kith import traces
from kith.errors import SettingsError
from kith.settings import Settings

# Where a receiver of OTLP over HTTP takes spans, unless it is told otherwise.
_PATH = "/v1/traces"


def recording(settings: Settings, process: str, group: str | None = None) -> AbstractContextManager[None]:
    """While it is entered, this process records traces, if a receiver is set. Nothing is imported otherwise.

    A process records once: what is entered meanwhile does nothing.

    Args:
        process: what the receiver calls this process, behind `kith-`.
        group: consumer group of what is processed here.

    Raises:
        SettingsError: a receiver is set, and kith[tracing] is not installed.
    """
    if not settings.traces_endpoint or traces.are_on():
        return nullcontext()
    try:
        from kith import tracing
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("opentelemetry"):
            raise
        raise SettingsError(
            "KITH_TRACES_ENDPOINT is set, and OpenTelemetry's SDK is not installed.",
            "Install kith[tracing], or leave the setting empty.",
        ) from None
    given = urlsplit(settings.traces_endpoint)
    endpoint = given._replace(path=_PATH).geturl() if given.path in {"", "/"} else settings.traces_endpoint
    return tracing.recording(endpoint, settings.traces_sample, process, version("kith"), group)
