"""From tree and scope to value: a walk over the tree, with operators and members that only take data."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from ..parts import NO_PART, data_fields, field_of
from ._grammar import Coalesce
from ._tokens import within_bound

MAX_JOINED_CHARACTERS = 100_000

_NUMBERS = (int, float, Decimal)
_ORDERED = (*_NUMBERS, str, bytes, date, time, timedelta, UUID, Enum)
_KEYS = (*_ORDERED, type(None))
_DATA = (*_KEYS, list, tuple, set, frozenset, Mapping)


def evaluate(tree: ast.expr, scope: Mapping[str, object]) -> object:
    """Give the value of a tree that `_grammar.parse` made. Raises whatever the data makes the operators raise."""
    return _HANDLERS[type(tree)](tree, scope)


def _constant(node: ast.Constant, scope: Mapping[str, object]) -> object:
    return node.value


def _name(node: ast.Name, scope: Mapping[str, object]) -> object:
    return scope.get(node.id)


def _subscript(node: ast.Subscript, scope: Mapping[str, object]) -> object:
    return _member(evaluate(node.value, scope), evaluate(node.slice, scope))


def _logic(node: ast.BoolOp, scope: Mapping[str, object]) -> object:
    left, right = node.values
    value = evaluate(left, scope)
    is_enough = value is not None if isinstance(node.op, Coalesce) else bool(value) is isinstance(node.op, ast.Or)
    return value if is_enough else evaluate(right, scope)


def _sign(node: ast.UnaryOp, scope: Mapping[str, object]) -> object:
    return _OPERATORS[type(node.op)](evaluate(node.operand, scope))


def _calculation(node: ast.BinOp, scope: Mapping[str, object]) -> object:
    return _OPERATORS[type(node.op)](evaluate(node.left, scope), evaluate(node.right, scope))


def _comparison(node: ast.Compare, scope: Mapping[str, object]) -> object:
    (operator_,), (right,) = node.ops, node.comparators
    return _OPERATORS[type(operator_)](evaluate(node.left, scope), evaluate(right, scope))


def _choice(node: ast.IfExp, scope: Mapping[str, object]) -> object:
    return evaluate(node.body if evaluate(node.test, scope) else node.orelse, scope)


def _list(node: ast.List, scope: Mapping[str, object]) -> object:
    return [evaluate(item, scope) for item in node.elts]


def _dict(node: ast.Dict, scope: Mapping[str, object]) -> object:
    entries = zip(node.keys, node.values, strict=True)
    return {evaluate(key, scope): evaluate(value, scope) for key, value in entries if key is not None}


_HANDLERS: dict[type[ast.AST], Callable[[Any, Mapping[str, object]], object]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Subscript: _subscript,
    ast.BoolOp: _logic,
    ast.UnaryOp: _sign,
    ast.BinOp: _calculation,
    ast.Compare: _comparison,
    ast.IfExp: _choice,
    ast.List: _list,
    ast.Dict: _dict,
}


def _member(owner: object, key: object) -> object:
    """``owner[key]`` as data: never an attribute but a declared field, and None for what does not exist."""
    if isinstance(owner, Mapping):
        if not isinstance(key, _KEYS):
            raise TypeError(f"a {type(key).__name__} is no key of a mapping")
        return owner.get(key)
    if isinstance(key, str) and (field := field_of(owner, key)) is not NO_PART:
        return field
    return _item(owner, key) if isinstance(owner, (list, tuple, str)) else None


def _item(items: list[object] | tuple[object, ...] | str, key: object) -> object:
    if isinstance(key, str):
        return len(items) if key == "length" else None
    if isinstance(key, float) and key.is_integer():
        key = int(key)  # a quotient, say, which is a float even where it is whole
    if isinstance(key, bool) or not isinstance(key, int):
        return None
    if key < 0:
        raise IndexError("a negative index; count from the end as in a[a.length - 1]")
    return items[key] if key < len(items) else None


def _refusal(symbol: str, wanted: str, *operands: object) -> TypeError:
    return TypeError(f"{symbol!r} takes {wanted}, not {' and '.join(type(operand).__name__ for operand in operands)}")


def _arithmetic(symbol: str, apply: Callable[..., Any]) -> Callable[..., object]:
    def calculate(*operands: object) -> object:
        for operand in operands:
            if not isinstance(operand, _NUMBERS):
                raise _refusal(symbol, "numbers", *operands)
            _check_bound(operand)
        result = apply(*operands)
        _check_bound(result)
        return result

    return calculate


def _check_bound(number: int | float | Decimal) -> None:
    if not within_bound(number):
        raise OverflowError("arithmetic takes and gives whole numbers below 2**63 and finite decimals")


_sum = _arithmetic("+", operator.add)


def _add(left: object, right: object) -> object:
    if not (isinstance(left, str) and isinstance(right, str)):
        return _sum(left, right)
    if len(left) + len(right) > MAX_JOINED_CHARACTERS:
        raise OverflowError(f"'+' joins strings to at most {MAX_JOINED_CHARACTERS} characters")
    return left + right


def _equal(left: object, right: object) -> bool:
    if left is None or right is None:
        return left is right
    for operand in (left, right):
        cls: type = type(operand)
        if not isinstance(operand, _DATA) and data_fields(cls) is None:
            raise _refusal("==", "data", left, right)
    return bool(left == right)


def _same(left: object, right: object) -> bool:
    return isinstance(left, bool) is isinstance(right, bool) and _equal(left, right)


def _ordering(symbol: str, apply: Callable[[Any, Any], object]) -> Callable[[object, object], bool]:
    def compare(left: object, right: object) -> bool:
        if left is None or right is None:
            return False
        if not isinstance(left, _ORDERED) or not isinstance(right, _ORDERED):
            raise _refusal(symbol, "numbers, strings or dates", left, right)
        return bool(apply(left, right))

    return compare


def _contains(item: object, group: object) -> bool:
    if not isinstance(group, (str, list, tuple, set, frozenset, Mapping)) or not isinstance(item, _DATA):
        raise _refusal("in", "data and a list, set, string or mapping", item, group)
    return item in group


_OPERATORS: dict[type[ast.AST], Callable[..., object]] = {
    ast.Not: operator.not_,
    ast.USub: _arithmetic("-", operator.neg),
    ast.Add: _add,
    ast.Sub: _arithmetic("-", operator.sub),
    ast.Mult: _arithmetic("*", operator.mul),
    ast.Div: _arithmetic("/", operator.truediv),
    ast.FloorDiv: _arithmetic("//", operator.floordiv),
    ast.Mod: _arithmetic("%", operator.mod),
    ast.Eq: _equal,
    ast.NotEq: lambda left, right: not _equal(left, right),
    ast.Is: _same,
    ast.IsNot: lambda left, right: not _same(left, right),
    ast.Lt: _ordering("<", operator.lt),
    ast.LtE: _ordering("<=", operator.le),
    ast.Gt: _ordering(">", operator.gt),
    ast.GtE: _ordering(">=", operator.ge),
    ast.In: _contains,
    ast.NotIn: lambda item, group: not _contains(item, group),
}
