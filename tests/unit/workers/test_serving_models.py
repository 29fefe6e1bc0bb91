import threading

import pytest

from kith.errors import ReleaseError
from tests.fakes import BagOfWordsEmbedder
from tests.waiting import wait_until
from workers.serving_models import ServingModels


def test_a_model_is_loaded_aside_and_then_there():
    may, loads = threading.Event(), []

    def load(name):
        loads.append(name)
        assert may.wait(10)
        return BagOfWordsEmbedder()

    models = ServingModels(load)
    assert models.get("v1") is None
    assert models.get("v1") is None, "nobody waits for it"
    may.set()
    assert wait_until(lambda: models.get("v1"), lambda one: one is not None, 10).dim == BagOfWordsEmbedder.dim
    assert loads == ["v1"], "it is loaded once"


def test_a_model_that_cannot_be_loaded_is_said_and_harms_no_other():
    def load(name):
        if name == "torn":
            raise ReleaseError("torn is torn.")
        return BagOfWordsEmbedder()

    models = ServingModels(load)
    models.load_now("v1")

    def torn():
        try:
            return models.get("torn")
        except ReleaseError as error:
            return str(error)

    assert wait_until(torn, bool, 10) == "torn is torn."
    assert models.get("v1") is not None
    with pytest.raises(ReleaseError):
        models.load_now("torn")


def test_the_one_asked_for_longest_ago_is_dropped():
    models = ServingModels(lambda _name: BagOfWordsEmbedder(), most=2)
    first = models.load_now("v1")
    models.load_now("v2")
    assert models.get("v1") is first
    models.load_now("v3")
    assert models.get("v1") is first
    assert models.get("v2") is None, "dropped, and loaded again"
