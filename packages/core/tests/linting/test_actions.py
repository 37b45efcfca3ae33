"""Which actions a step may give is read from its code, and from nothing that it may be told otherwise."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flowcraft_core
import pytest
from flowcraft_core import BaseNode, NodeContext, NodeResult
from flowcraft_core.linting.actions import Actions, actions_of


def constant(ctx: Any) -> Any:
    return NodeResult(1, "a")


def by_module(ctx: Any) -> Any:
    return flowcraft_core.NodeResult(1, action="a")


def either(ctx: Any) -> Any:
    if ctx.input:
        return NodeResult(1, action="a" if ctx.input > 1 else None)
    return NodeResult(action="b")


def by_name(ctx: Any) -> Any:
    result = NodeResult(1, action="a")
    if ctx.input:
        result = NodeResult(2, action="b")
    return result


async def awaited(ctx: NodeContext) -> NodeResult[int]:
    return NodeResult(1, "a")


def values(ctx: Any) -> Any:
    if ctx.input == 1:
        return ctx.input
    if ctx.input == 2:
        return [NodeResult(1, "inside of a list")]
    if ctx.input == 3:
        return sum([1, 2])
    return ctx.input + 1 or "x" if ctx.input else None


def annotated(ctx: Any) -> int:
    return ctx.input()  # type: ignore[no-any-return]


def computed(ctx: Any) -> Any:
    return NodeResult(1, action=ctx.input)


def helped(ctx: Any) -> Any:
    return constant(ctx)


def looped(ctx: Any) -> Any:
    last = None
    for last in ctx.input:
        ctx.progress(last)
    return last


def inner(ctx: Any) -> Any:
    def helper() -> Any:
        return NodeResult(1, "of another function")

    return helper


@functools.wraps(constant)
def wrapped(ctx: Any) -> Any:
    return NodeResult(1, action="b")


class Phases(BaseNode[Any, Any]):
    def exec(self, prepared: Any, ctx: Any) -> Any:
        return NodeResult(1, "a")

    def fallback(self, error: Exception, ctx: Any) -> Any:
        return NodeResult(1, "b")


class Afterwards(Phases):
    def post(self, result: Any, ctx: Any) -> Any:
        return NodeResult(result, "c")


def of(*given: str, complete: bool = True) -> Actions:
    return Actions(frozenset(given), complete)


@pytest.mark.parametrize(
    ("step", "actions"),
    [
        (constant, of("a")),
        (by_module, of("a")),
        (either, of("a", "b")),
        (by_name, of("a", "b")),
        (awaited, of("a")),
        (values, of()),
        (annotated, of()),
        (lambda ctx: NodeResult(ctx.input, "a"), of("a")),
        (computed, of(complete=False)),
        (helped, of(complete=False)),
        (looped, of(complete=False)),
        (inner, of(complete=False)),
        (wrapped, of(complete=False)),
        (functools.partial(constant), of(complete=False)),
        (print, of(complete=False)),
        (Phases, of("a", "b")),
        (Afterwards, of("c")),
    ],
)
def test_actions(step: Callable[..., Any], actions: Actions) -> None:
    assert actions_of(step) == actions
