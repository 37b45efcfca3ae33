"""The flows that are run beside what is written by others, and those whose records others change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowcraft_core import Blueprint, FlowBuilder, NodeContext, create_flow

Ctx = NodeContext[Any, Any]


async def one(ctx: Ctx) -> int:
    """The number 1."""
    return 1


async def add(ctx: Ctx) -> int:
    """One more."""
    return int(ctx.input) + 1


async def numbers(ctx: Ctx) -> list[int]:
    """Some items."""
    return [10, 20, 30]


async def total(ctx: Ctx) -> int:
    """The sum of what it gets."""
    return sum(ctx.input.values()) if isinstance(ctx.input, dict) else sum(ctx.input)


async def count(ctx: Ctx) -> int:
    """How often it was called in this run."""
    number: int = await ctx.context.get("count", 0) + 1
    await ctx.context.set("count", number)
    return number


async def note(ctx: Ctx) -> int:
    """Sets a value."""
    await ctx.context.set("note", {"by": ctx.node_id, "numbers": [1, 2, 3]})
    return 1


async def read(ctx: Ctx) -> Any:
    """What was set."""
    return await ctx.context.get("note")


async def same(ctx: Ctx) -> Any:
    """What it gets."""
    return ctx.input


def chain() -> FlowBuilder:
    """Four steps in a row."""
    flow = create_flow("chain").node("n0", one)
    for place in range(1, 4):
        flow.node(f"n{place}", add).edge(f"n{place - 1}", f"n{place}")
    return flow


def fan() -> FlowBuilder:
    """Four steps side by side."""
    flow = create_flow("fan").node("s", one).node("e", total)
    for place in range(4):
        flow.node(f"n{place}", add).edge("s", f"n{place}").edge(f"n{place}", "e")
    return flow


def loop() -> FlowBuilder:
    """Three passes, which count in a context value."""
    flow = create_flow("loop").node("init", one).node("inc", count).node("end", add)
    flow.loop("L", start="inc", end="inc", condition="count < 3")
    return flow.edge("init", "inc").edge("L", "end")


def batch() -> FlowBuilder:
    """Three items."""
    flow = create_flow("batch").node("src", numbers).batch("pages", add).node("sum", total)
    return flow.edge("src", "pages").edge("pages", "sum")


HEALTHY: dict[str, Callable[[], FlowBuilder]] = {build.__name__: build for build in (chain, fan, loop, batch)}


def victim() -> FlowBuilder:
    """Two steps side by side, a wait for each, a join, and a step that reads what one of them has set."""
    flow = create_flow("victim").node("a", note).node("b", one).wait("w").wait("v").node("j", total).node("r", read)
    return flow.edge("a", "w").edge("b", "v").edge("w", "j").edge("v", "j").edge("j", "r")


def exploding() -> Blueprint:
    """Each edge carries its input a hundred times."""
    nodes = [{"id": f"n{place}", "uses": "same" if place else "numbers"} for place in range(7)]
    transform = "[" + ",".join(["input"] * 100) + "]"
    edges = [{"source": f"n{place}", "target": f"n{place + 1}", "transform": transform} for place in range(6)]
    return Blueprint.from_json({"id": "exploding", "nodes": nodes, "edges": edges})


def repeating() -> Blueprint:
    """Each node has the one before it as its input, under a hundred names."""
    nodes: list[dict[str, Any]] = [{"id": "n0", "uses": "numbers"}]
    for place in range(1, 6):
        inputs = {f"name{number}": f"n{place - 1}" for number in range(100)}
        nodes.append({"id": f"n{place}", "uses": "same", "inputs": inputs})
    edges = [{"source": f"n{place}", "target": f"n{place + 1}"} for place in range(5)]
    return Blueprint.from_json({"id": "repeating", "nodes": nodes, "edges": edges})


REGISTRY: dict[str, Callable[..., Any]] = {"same": same, "numbers": numbers}
