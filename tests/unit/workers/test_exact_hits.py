import numpy as np

from workers.exact_hits import EXACT_FIELDS, exact_hits
from workers.limits import FIELD_LIMITS


def row(profile_id, *vector):
    fields = {name: "" if limit.max_items is None else [] for name, limit in FIELD_LIMITS.items()}
    known = {"profile_id": profile_id, "version": 1, "text": "t", "occurred_at_ms": 0, "career_since": 0}
    whole = fields | known | {"vector": list(vector)}
    assert whole.keys() == set(EXACT_FIELDS)
    return whole


def test_the_nearest_come_first_and_equal_ones_in_the_order_of_their_ids():
    rows = [row("far", -1.0, 0.0), row("b", 1.0, 0.0), row("a", 1.0, 0.0), row("beside", 0.0, 1.0)]
    hits = exact_hits(rows, np.asarray([1.0, 0.0], dtype=np.float32), 3)
    assert [(hit.profile_id, hit.score) for hit in hits] == [("a", 1.0), ("b", 1.0), ("beside", 0.0)]


def test_of_nobody_nobody_is_the_nearest():
    assert exact_hits([], np.asarray([1.0], dtype=np.float32), 3) == []
