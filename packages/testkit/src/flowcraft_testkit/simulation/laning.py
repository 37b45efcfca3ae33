"""Flows with lanes, for the scenarios; small, as all of them are."""

from __future__ import annotations

from typing import Any

from flowcraft_core import ConfigurationError, FlowBuilder, NodeContext, create_flow
from flowcraft_core.durable import Client

from .scenario import RUN


async def _items(ctx: NodeContext[Any, Any]) -> list[int]:
    return [0, 1, 2, 3, 4, 5]


async def _double(ctx: NodeContext[Any, Any]) -> int:
    return int(ctx.input) * 2


async def _picky(ctx: NodeContext[Any, Any]) -> int:
    if ctx.input == 1:
        raise ValueError("not this one")
    return int(ctx.input) * 2


async def _count(ctx: NodeContext[Any, Any]) -> list[int]:
    number: int = await ctx.context.get("count", 0) + 1
    await ctx.context.set("count", number)
    return list(range(number))


async def _same(ctx: NodeContext[Any, Any]) -> Any:
    return ctx.input


def lanes() -> FlowBuilder:
    """Two lanes of three items each, one of which fails and is tolerated."""
    flow = create_flow("lanes").node("a", _items).batch("each", _picky, concurrency=2, tolerated_failure_count=1)
    return flow.node("end", _same).edge("a", "each").edge("each", "end")


def lanes_inside() -> FlowBuilder:
    """Lanes of one item, two and three, of a flow that branches and joins again, in the passes of a loop."""
    inner = create_flow("branches").node("p", _double).node("q", _same).node("r", _same).node("s", _same)
    inner.edge("p", "q", condition="result.output > 0").edge("p", "r").edge("q", "s").edge("r", "s")
    flow = create_flow("lanes_inside").node("a", _count).batch("each", inner, concurrency=1)
    flow.node("z", _same).loop("again", start="a", end="z", condition="count < 3").node("end", _same)
    return flow.edge("a", "each").edge("each", "z").edge("again", "end")


def paged() -> FlowBuilder:
    """Five items on three pages, in two lanes, of a flow that looks at its input by name."""
    inner = create_flow("named").node("p", _same).node("q", _double, inputs="input").edge("p", "q")
    flow = create_flow("paged").node("a", _items).batch("each", inner, concurrency=2, page_size=2)
    return flow.node("end", _same).edge("a", "each").edge("each", "end")


async def fork_an_item(client: Client, run_id: str) -> None:
    """Begin a run again from an item in the middle of a lane, once it has ended."""
    await client.wait(RUN, poll=1.0)
    try:
        await client.fork(RUN, "each[2].each", new_run_id=run_id)
    except ConfigurationError as error:
        if "there is a run" not in str(error):
            raise
