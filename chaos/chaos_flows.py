"""The flows that are run while workers die, and their steps, which take a moment so that they can die in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from flowcraft_core import FlowBuilder, NodeContext, RetryPolicy, create_flow

Ctx = NodeContext[Any, Any]


async def one(ctx: Ctx) -> int:
    """The number 1, after a moment."""
    await asyncio.sleep(0.02)
    return 1


async def add(ctx: Ctx) -> int:
    """One more, after a moment."""
    await asyncio.sleep(0.05)
    return int(ctx.input) + 1


async def numbers(ctx: Ctx) -> list[int]:
    """Some items."""
    return [10, 20, 30, 40]


async def total(ctx: Ctx) -> int:
    """The sum of what it gets."""
    return sum(ctx.input.values()) if isinstance(ctx.input, dict) else sum(ctx.input)


async def count(ctx: Ctx) -> int:
    """How often it was called in this run."""
    number: int = await ctx.context.get("count", 0) + 1
    await ctx.context.set("count", number)
    return number


async def note(ctx: Ctx) -> str:
    """Sets a name that another sets too, and one of its own."""
    await ctx.context.set("last", ctx.node_id)
    await ctx.context.set(f"by {ctx.node_id}", ctx.input)
    return ctx.node_id


async def read(ctx: Ctx) -> list[Any]:
    """What the others have set."""
    return [await ctx.context.get(name) for name in ("last", "by b", "by c")]


async def second_time(ctx: Ctx) -> int:
    """Fails once."""
    if ctx.attempt < 2:
        raise ValueError("not at once")
    return ctx.attempt


def chain() -> FlowBuilder:
    """Eight steps in a row."""
    flow = create_flow("chain").node("n0", one)
    for place in range(1, 8):
        flow.node(f"n{place}", add).edge(f"n{place - 1}", f"n{place}")
    return flow


def fan() -> FlowBuilder:
    """Eight steps side by side."""
    flow = create_flow("fan").node("s", one).node("e", total)
    for place in range(8):
        flow.node(f"n{place}", add).edge("s", f"n{place}").edge(f"n{place}", "e")
    return flow


def loop() -> FlowBuilder:
    """Five passes."""
    flow = create_flow("loop").node("init", one).node("inc", count).node("end", add)
    flow.loop("L", start="inc", end="inc", condition="count < 5")
    return flow.edge("init", "inc").edge("L", "end")


def batch() -> FlowBuilder:
    """Four items of two steps each."""
    inner = create_flow("page").node("x", add).node("y", add).edge("x", "y")
    flow = create_flow("batch").node("src", numbers).batch("pages", inner).node("sum", total)
    return flow.edge("src", "pages").edge("pages", "sum")


def values() -> FlowBuilder:
    """Context values set side by side."""
    flow = create_flow("values").node("a", one).node("b", note).node("c", note).node("d", read)
    return flow.edge("a", "b").edge("a", "c").edge("b", "d").edge("c", "d")


def patient() -> FlowBuilder:
    """A retry and a sleep."""
    flow = create_flow("patient").node("a", second_time, retries=RetryPolicy(delay=0.2)).sleep("z", 0.5).node("b", add)
    return flow.edge("a", "z").edge("z", "b")


FLOWS: dict[str, Callable[[], FlowBuilder]] = {
    build.__name__: build for build in (chain, fan, loop, batch, values, patient)
}
