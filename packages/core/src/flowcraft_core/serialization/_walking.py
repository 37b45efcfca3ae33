"""Copies of nested values, made part by part, and what is said of a part that is refused."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from datetime import date, timedelta
from decimal import Decimal
from types import NoneType
from typing import Any, Final, TypeVar
from uuid import UUID

from ..errors import SerializationError
from ._codecs import PLAIN, WIDE_INT, name_of

T = TypeVar("T")

#: The key of a tagged object under which its tag is.
TAG: Final = "$type"

# A level of a value costs at most three levels of JSON: one this shallow needs no exact count to be inside MAX_DEPTH.
_FAST_DEPTH: Final = 32

# Scalars that the fast paths pass over: those that copy() may share, and those that the JSON encoder takes or refuses
# rightly by itself. It would take wider ints than PLAIN does.
IMMUTABLE: Final = frozenset({*PLAIN, bytes, Decimal, UUID, date, timedelta})
ENCODABLE: Final = frozenset({NoneType, bool, float, str})


class PartError(Exception):
    """Why one part of a value is refused; each container on the way out adds its step to the path, innermost first."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        self.path: list[str] = []

    def __str__(self) -> str:
        steps = self.path[::-1]
        if len(steps) > 12:
            steps[6:-3] = ["[...]"]
        return f"value{''.join(steps)} {self.problem}"


class NotPlainError(Exception):
    """The value is more than shallow lists and string-keyed dicts of plain scalars, so it takes the exact path."""


def show(value: object) -> str:
    """Give a repr that is short and never fails, as that of an int of too many digits does."""
    try:
        text = repr(value)
    except Exception:
        return f"<{name_of(type(value))}>"
    return text if len(text) <= 100 else f"{text[:100]}..."


def _step(key: object) -> str:
    return f".{key}" if type(key) is str and key.isidentifier() else f"[{show(key)}]"


def _members(data: Any) -> Iterable[tuple[Any, Any]]:
    return data.items() if type(data) is dict else enumerate(data)


def walk(visit: Callable[[Any, int], object], data: Any, depth: int, kept: Container[type] = ()) -> Any:
    """Copy a list or dict, visiting members of all but the kept types; a fault learns which member it is about."""
    copy = data.copy()
    try:
        for key, item in _members(data):
            if type(item) not in kept:
                copy[key] = visit(item, depth)
    except PartError as fault:
        fault.path.append(_step(key))
        raise
    return copy


def plain_copy(value: Any, scalars: frozenset[type], depth: int = 0) -> Any:
    """Copy shallow lists and string-keyed dicts of the given scalars and narrow ints, or raise NotPlainError."""
    kind = type(value)
    if kind in scalars or (kind is int and -WIDE_INT < value < WIDE_INT):
        return value
    if depth == _FAST_DEPTH or not (kind is list or (kind is dict and TAG not in value)):
        raise NotPlainError
    key_type = str if kind is dict else int
    copy = value.copy()
    for key, item in _members(value):
        if type(key) is not key_type:
            raise NotPlainError
        if type(item) not in scalars and not (type(item) is int and -WIDE_INT < item < WIDE_INT):  # saves the call
            copy[key] = plain_copy(item, scalars, depth + 1)
    return copy


def run(work: Callable[[Any, int], T], value: Any) -> T:
    """Work on a whole value, and say of a part that is refused where in it that is."""
    try:
        return work(value, 0)
    except PartError as fault:
        raise SerializationError(str(fault)) from fault.__cause__
    except RecursionError:
        raise SerializationError("value nests too deep for what is left of Python's stack; flatten it") from None
