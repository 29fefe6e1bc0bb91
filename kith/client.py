"""The Python client, put together from settings: `kith.SearchClient`."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from kith import wiring
from kith.settings import load_settings, require
from kith.wiring_traces import recording
from workers import search_client


class SearchClient(search_client.SearchClient):
    """Asks over the bus; settings come from `KITH_*`, `kith.toml`, or as arguments, which win.

    With `KITH_TRACES_ENDPOINT` the first client of a process records traces, until it is closed.

    Args:
        given: settings by name, as `kafka_bootstrap="broker:9092"`.

    Raises:
        kith.errors.SettingsError: a setting is missing, unknown or wrong.
        kith.errors.Unavailable: Kafka, its reply topic or the registry is not there.
    """

    def __init__(self, **given: Any) -> None:
        settings = load_settings(**given)
        require(settings, "kafka_bootstrap")
        self._recording = ExitStack()
        traced = recording(settings, "client")
        super().__init__(settings.kafka_client(), wiring.codec(settings), wiring.bus_topics(settings))
        self._recording.enter_context(traced)

    def close(self) -> None:
        """As of the base; traces that this client began to record are recorded to here."""
        super().close()
        self._recording.close()
