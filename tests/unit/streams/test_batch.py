from hypothesis import given
from hypothesis import strategies as st

from streams.batch import bounded


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 8), st.integers(1, 100))
def test_pieces_keep_order_and_bounds(costs, max_items, max_tokens):
    pieces = list(bounded(costs, lambda cost: cost, max_items, max_tokens))
    assert [cost for piece in pieces for cost in piece] == costs
    assert all(len(piece) <= max_items for piece in pieces)
    assert all(sum(piece) <= max_tokens or len(piece) == 1 for piece in pieces)
