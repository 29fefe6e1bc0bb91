import pytest

from kith import metrics
from kith.errors import SettingsError
from kith.settings import Settings
from kith.wiring_metrics import describe
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


def test_what_is_told_is_the_provider_that_really_runs():
    asked = Settings(**NOWHERE, provider="cuda")
    with pytest.raises(SettingsError, match="KITH_PROVIDER is cuda"):
        query_consumer(asked)
    parts = query_consumer(asked.model_copy(update={"allow_cpu_fallback": True}))
    metrics.BUILD_INFO.clear()
    describe("query", parts.runs_on, lambda: True)
    (sample,) = (one for family in metrics.BUILD_INFO.collect() for one in family.samples)
    assert sample.labels == {"process": "query", "version": "0.1.0", "model": "student-v1", "provider": "cpu"}
