"""From tree and scope to value: simpleeval's walk over the tree, with operators and members that only take data."""

from __future__ import annotations

import ast
import dataclasses
import operator
from collections.abc import Callable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any
from uuid import UUID

import attrs
from simpleeval import EvalWithCompoundTypes

from ._grammar import Coalesce
from ._tokens import within_bound

MAX_JOINED_CHARACTERS = 100_000

_NUMBERS = (int, float, Decimal)
_ORDERED = (*_NUMBERS, str, bytes, date, time, timedelta, UUID, Enum)
_KEYS = (*_ORDERED, type(None))
_DATA = (*_KEYS, list, tuple, set, frozenset, Mapping)


def evaluate(tree: ast.expr, scope: Mapping[str, object]) -> object:
    """Give the value of a tree that `_grammar.parse` made. Raises whatever the data makes the operators raise."""
    return _Evaluation(scope)._eval(tree)


class _Evaluation(EvalWithCompoundTypes):  # type: ignore[misc]
    """One evaluation, so that threads share nothing but the tree.

    Simpleeval brings the handling of operators, choices and literals. Two of its parts are replaced on purpose: its
    ``__init__`` builds tables and switches the warning filters of the whole process, which is slow and which threads
    must not do, and its ``_eval`` searches every value for functions to refuse, where here nothing can be called.
    """

    def __init__(self, scope: Mapping[str, object]) -> None:
        self._scope = scope
        self.operators = _OPERATORS

    def _eval(self, node: ast.AST) -> object:
        return _HANDLERS[type(node)](self, node)

    def _eval_constant(self, node: ast.Constant) -> object:
        return node.value

    def _eval_name(self, node: ast.Name) -> object:
        return self._scope.get(node.id)

    def _eval_member(self, node: ast.Subscript) -> object:
        return _member(self._eval(node.value), self._eval(node.slice))

    def _eval_logic(self, node: ast.BoolOp) -> object:
        if not isinstance(node.op, Coalesce):
            return self._eval_boolop(node)
        value = self._eval(node.values[0])
        return self._eval(node.values[1]) if value is None else value


_HANDLERS: dict[type[ast.AST], Callable[[Any, Any], object]] = {
    ast.Constant: _Evaluation._eval_constant,
    ast.Name: _Evaluation._eval_name,
    ast.Subscript: _Evaluation._eval_member,
    ast.BoolOp: _Evaluation._eval_logic,
    ast.UnaryOp: EvalWithCompoundTypes._eval_unaryop,
    ast.BinOp: EvalWithCompoundTypes._eval_binop,
    ast.Compare: EvalWithCompoundTypes._eval_compare,
    ast.IfExp: EvalWithCompoundTypes._eval_ifexp,
    ast.List: EvalWithCompoundTypes._eval_list,
    ast.Dict: EvalWithCompoundTypes._eval_dict,
}


def _member(owner: object, key: object) -> object:
    """``owner[key]`` as data: never an attribute but a declared field, and None for what does not exist."""
    if isinstance(owner, Mapping):
        if not isinstance(key, _KEYS):
            raise TypeError(f"a {type(key).__name__} is no key of a mapping")
        return owner.get(key)
    if isinstance(owner, (list, tuple, str)):
        return _item(owner, key)
    return getattr(owner, key, None) if isinstance(key, str) and key in (_fields_of(owner) or ()) else None


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


def _fields_of(value: object) -> frozenset[str] | None:
    cls: type = type(value)
    return _readable_fields(cls)


@lru_cache(maxsize=1024)
def _readable_fields(cls: type) -> frozenset[str] | None:
    """The fields of an attrs class or dataclass that an expression may read; None for any other class."""
    if attrs.has(cls):
        names = [field.name for field in attrs.fields(cls)]
    elif dataclasses.is_dataclass(cls):
        names = [field.name for field in dataclasses.fields(cls)]
    else:
        return None
    return frozenset(name for name in names if not name.startswith("_"))


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
        if not isinstance(operand, _DATA) and _fields_of(operand) is None:
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
