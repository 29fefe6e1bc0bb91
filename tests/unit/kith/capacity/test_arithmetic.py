import pytest
from hypothesis import given
from hypothesis import strategies as st

from kith.capacity.arithmetic import evaluate, names_in

NUMBERS = st.floats(min_value=0.001, max_value=1e9)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_a_formula_gives_what_python_would(a, b, c):
    assert evaluate("a + b * c - a / c", {"a": a, "b": b, "c": c}) == a + b * c - a / c
    assert evaluate("max(a, min(b, c))", {"a": a, "b": b, "c": c}) == max(a, min(b, c))


def test_ceil_rounds_up():
    assert evaluate("ceil(a / 2)", {"a": 5}) == 3


def test_the_names_of_a_formula_come_once_and_in_order():
    assert names_in("ceil(max(b, a / 2) + b)") == ("b", "a")


@pytest.mark.parametrize("formula", ["a ** 2", "open('x')", "a.b", "a if a else 1", "'text'", "max(a, key=a)"])
def test_anything_else_is_refused(formula):
    with pytest.raises(ValueError, match="not arithmetic"):
        evaluate(formula, {"a": 1.0})


def test_a_name_without_a_value_is_named():
    with pytest.raises(KeyError, match="b"):
        evaluate("a + b", {"a": 1.0})
