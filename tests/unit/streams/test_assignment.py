"""What the group's assignor moves when an indexer joins, leaves, or comes back: not our code, but what we rely on."""

import pytest
from faust.assignor.client_assignment import CopartitionedAssignment
from faust.assignor.copartitioned_assignor import CopartitionedAssignor


def assigned(held, partitions):
    """Active partitions by worker, given those that each says it held."""
    before = {
        worker: CopartitionedAssignment(actives=set(own), standbys=set(), topics={"t"}) for worker, own in held.items()
    }
    after = CopartitionedAssignor({"t"}, before, partitions, 0).get_assignment()
    return {worker: set(own.actives) for worker, own in after.items()}


@pytest.mark.parametrize("partitions", [8, 12])
def test_only_what_the_new_or_the_gone_worker_has_moves(partitions):
    three = assigned(dict.fromkeys("abc", ()), partitions)
    four = assigned({**three, "d": ()}, partitions)
    assert all(four[worker] <= three[worker] for worker in three)
    assert {len(own) for own in four.values()} == {partitions // 4}
    left = assigned({worker: four[worker] for worker in "abc"}, partitions)
    assert all(four[worker] <= left[worker] for worker in left)
    back = assigned({**{worker: four[worker] for worker in "abc"}, "new": ()}, partitions)
    assert back["new"] == four["d"]
