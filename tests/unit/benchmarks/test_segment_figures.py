"""What a further segment adds to a search is the difference of medians, of segments that are those written."""

import pytest

from benchmarks.unit_costs_milvus import FURTHER_SEGMENTS, Searched, of_searches

FEW = Searched([0.004, 0.005, 0.009], [2000, 2000])
ROWS_OF_MANY = [2000, 2000, *[1200] * FURTHER_SEGMENTS]


def test_a_further_segment_costs_the_difference_of_the_medians_over_how_many_they_are():
    many = Searched([0.005 + 0.002 * FURTHER_SEGMENTS, 0.1, 0.001], ROWS_OF_MANY)
    found = of_searches(FEW, many)
    assert found["search_cpu_s"] == {"few": 0.005, "many": 0.005 + 0.002 * FURTHER_SEGMENTS}
    assert found["search_cpu_s_per_segment"] == pytest.approx(0.002)
    assert found["segments_of_few"] == 2


@pytest.mark.parametrize(
    "many",
    [
        Searched([0.1], ROWS_OF_MANY[:-1]),
        Searched([0.1], [*ROWS_OF_MANY, 1200]),
        Searched([0.005], ROWS_OF_MANY),
        Searched([0.001], ROWS_OF_MANY),
    ],
    ids=["one was merged", "one is not ours", "for nothing", "for less than nothing"],
)
def test_segments_that_are_not_those_written_or_cost_nothing_are_refused(many):
    with pytest.raises(RuntimeError, match="measure again"):
        of_searches(FEW, many)
