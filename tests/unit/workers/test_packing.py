from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from workers.packing import LEAST_FILL, pack


@given(st.lists(st.integers(1, 256), max_size=80), st.integers(1, 1024))
def test_every_text_runs_once_within_the_budget(lengths, budget):
    groups = list(pack(lengths, budget))
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    for group in groups:
        longest = max(lengths[index] for index in group)
        assert lengths[group[0]] == longest
        assert longest * len(group) <= budget or len(group) == 1
        assert min(lengths[index] for index in group) >= LEAST_FILL * longest


@given(st.lists(st.integers(1, 256), min_size=1, max_size=80))
def test_no_group_could_take_the_first_of_the_next(lengths):
    groups = list(pack(lengths, 512))
    for group, following in pairwise(groups):
        longest = lengths[group[0]]
        assert longest * (len(group) + 1) > 512 or lengths[following[0]] < LEAST_FILL * longest
