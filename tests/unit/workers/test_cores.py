import pytest

from workers.cores import available_cores, cgroup_cores


@pytest.mark.parametrize(
    ("limit", "cores"), [("max 100000\n", None), ("200000 100000\n", 2), ("150000 100000", 1), ("50000 100000", 1)]
)
def test_a_limit_of_processor_time_is_read_as_whole_processors(limit, cores):
    assert cgroup_cores(limit) == cores


def test_there_is_one_at_least():
    assert available_cores() >= 1
