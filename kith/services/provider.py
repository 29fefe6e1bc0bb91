"""Where one of our own processes runs its model, by its own words."""

from __future__ import annotations

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from kith.services.ports import LOOPBACK, listens

_BUILD_INFO = "kith_build_info"


def provider_of(port: int) -> str | None:
    """The provider that really runs its model, as `/metrics` on the port says; None while nobody answers there."""
    if not listens(port):
        return None
    try:
        told = httpx2.get(f"http://{LOOPBACK}:{port}/metrics", timeout=1.0).text
    except httpx2.TransportError:
        return None
    for family in text_string_to_metric_families(told):
        for sample in family.samples:
            if sample.name == _BUILD_INFO:
                return sample.labels["provider"]
    return None
