"""Flows whose runs are undone, for the scenarios; small, as all of them are."""

from __future__ import annotations

import asyncio
from typing import Any

from flowcraft_core import FlowBuilder, NodeContext, RetryPolicy, create_flow

Ctx = NodeContext[Any, Any]


async def _act(ctx: Ctx) -> str:
    return f"done at {ctx.key}"


async def _slowly(ctx: Ctx) -> str:
    await asyncio.sleep(3)
    return f"done at {ctx.key}"


async def _again(ctx: Ctx) -> str:
    number: int = await ctx.context.get("count", 0) + 1
    await ctx.context.set("count", number)
    return f"done at {ctx.key}"


async def _pair(ctx: Ctx) -> list[int]:
    return [1, 2]


async def _fail(ctx: Ctx) -> None:
    raise ValueError("and all is undone")


async def _fail_at_first(ctx: Ctx) -> None:
    if "[0]" in ctx.key:
        raise ValueError("and the item is undone")


async def _fail_soon(ctx: Ctx) -> None:
    await asyncio.sleep(2)
    raise ValueError("and all is undone")


async def _undo(ctx: Ctx) -> None:
    if ctx.output not in (None, f"done at {ctx.key}"):
        raise AssertionError(f"the undo of {ctx.key!r} was given {ctx.output!r}")


async def _undo_slowly(ctx: Ctx) -> None:
    await asyncio.sleep(3)
    await _undo(ctx)


async def _at_last(ctx: Ctx) -> None:
    if ctx.attempt < 2:
        raise ValueError("not yet")


async def _never(ctx: Ctx) -> None:
    raise ValueError("cannot be undone")


def undone() -> FlowBuilder:
    """A batch, a loop and a call, one behind the other, and then a failure; one undo is tried again, one fails."""
    called = create_flow("called").node("x", _act, undo=_undo).node("y", _act, undo=_never).edge("x", "y")
    flow = create_flow("undone").node("pair", _pair).batch("each", _act, undo=_undo)
    flow.node("a", _again, undo=_undo).node("b", _act, undo="at_last").edge("a", "b")
    flow.node("at_last", _at_last, retries=RetryPolicy(max_attempts=3, delay=1))
    flow.loop("again", start="a", end="b", condition="count < 2").subflow("call", called).node("fails", _fail)
    return flow.edge("pair", "each").edge("each", "a").edge("again", "call").edge("call", "fails")


def undone_beside() -> FlowBuilder:
    """A failure while the other branch is under way, of which it is not known whether it has acted."""
    flow = create_flow("undone_beside").node("s", _act, undo=_undo)
    flow.node("l", _fail_soon).node("r", _slowly, undo=_undo, undo_unsure=True).node("q", _act, undo=_undo)
    flow.node("d", _act, undo=_undo).edge("s", "l").edge("s", "r").edge("s", "q")
    return flow.edge("l", "d").edge("r", "d").edge("q", "d")


def undone_losers() -> FlowBuilder:
    """What has lost a race is undone, too, if it has come to an end."""
    flow = create_flow("undone_losers").node("s", _pair).node("l", _act, undo=_undo).node("r", _act, undo=_undo)
    flow.node("d", _act, join="any", undo=_undo).node("fails", _fail)
    return flow.edge("s", "l").edge("s", "r").edge("l", "d").edge("r", "d").edge("d", "fails")


def undone_call() -> FlowBuilder:
    """A call that fails, and undoes itself before an edge takes that up; inside of it one that has completed."""
    inner = create_flow("inner").node("i", _act, undo=_undo)
    called = create_flow("called").node("x", _act, undo=_undo).subflow("in", inner).node("y", _fail)
    called.edge("x", "in").edge("in", "y")
    flow = create_flow("undone_call").node("a", _act, undo=_undo).subflow("call", called).node("b", _act)
    return flow.edge("a", "call").edge("call", "b", on="always")


def undone_items() -> FlowBuilder:
    """Items that fail, and undo themselves before the next of their lane begins; and then the run fails, too."""
    called = create_flow("called").node("x", _act, undo=_undo).node("y", _fail_at_first).edge("x", "y")
    flow = create_flow("undone_items").node("pair", _pair)
    flow.batch("each", called, concurrency=1, tolerated_failure_count=1).node("z", _fail)
    return flow.edge("pair", "each").edge("each", "z")


def undone_call_slowly() -> FlowBuilder:
    """A call that takes its time to undo itself, and loses a race meanwhile to what fails the run later."""
    called = create_flow("called").node("x", _act, undo=_undo_slowly).node("v", _act, undo=_undo_slowly)
    called.node("y", _fail).edge("x", "v").edge("v", "y")
    flow = create_flow("undone_call_slowly").node("s", _act, undo=_undo).subflow("call", called).node("o", _act)
    flow.node("j", _act, join="any", undo=_undo_slowly).node("k", _slowly, undo=_undo).node("z", _fail_soon)
    flow.edge("s", "call").edge("s", "o").edge("call", "j").edge("o", "j")
    return flow.edge("j", "k").edge("j", "z")


def undone_in_time() -> FlowBuilder:
    """Steps that take a while, one after the other."""
    flow = create_flow("undone_in_time").node("a", _slowly, undo=_undo).node("b", _slowly, undo=_undo)
    return flow.node("c", _slowly, undo=_undo).edge("a", "b").edge("b", "c")


def done() -> FlowBuilder:
    """A run that could be undone, and completes."""
    flow = create_flow("done").node("a", _act, undo=_undo).node("b", _act, undo=_undo).edge("a", "b")
    return flow.node("c", _act, undo=_undo).edge("a", "c")
