import pytest

from kith.settings import Settings
from kith.wiring_serving import query_consumer

NOWHERE = {
    "kafka_bootstrap": "127.0.0.1:1",
    "schema_registry_url": "http://127.0.0.1:1",
    "milvus_uri": "http://127.0.0.1:1",
}


@pytest.mark.parametrize("wanted", [True, False])
def test_impressions_can_be_switched_off(wanted):
    parts = query_consumer(Settings(**NOWHERE, impressions=wanted))
    assert (parts.impressions is not None) == wanted
    assert parts.consumer._sender._impressions is parts.impressions
