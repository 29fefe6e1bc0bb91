"""Formulas as they are shown: what is printed is what was calculated."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping

_OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_FUNCTIONS: Mapping[str, Callable[..., float]] = {"ceil": math.ceil, "max": max, "min": min}


def names_in(formula: str) -> tuple[str, ...]:
    """The values that a formula needs, each once, in the order of the formula."""
    nodes = sorted(
        (node for node in ast.walk(_parsed(formula)) if isinstance(node, ast.Name)), key=lambda node: node.col_offset
    )
    return tuple(dict.fromkeys(node.id for node in nodes if node.id not in _FUNCTIONS))


def evaluate(formula: str, values: Mapping[str, float]) -> float:
    """The result of `+ - * /`, `ceil`, `max` and `min` over numbers and names.

    Raises:
        KeyError: a name has no value.
        ValueError: the formula holds anything else.
    """
    return _value(_parsed(formula), values)


def _parsed(formula: str) -> ast.expr:
    return ast.parse(formula, mode="eval").body


def _value(node: ast.expr, values: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id=name):
            return values[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left, values), _value(right, values))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*(_value(one, values) for one in arguments))
        case _:
            raise ValueError(f"{ast.unparse(node)} is not arithmetic that is known here.")
