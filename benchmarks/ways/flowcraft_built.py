"""Flows that a builder makes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext, create_flow

SETTINGS = "FlowRuntime as by default, steps that are awaited"
WAYS = ("awaited",)


async def _begin(ctx: NodeContext[Any, Any]) -> int:
    return 1


async def _step(ctx: NodeContext[int, Any]) -> int:
    return ctx.input + 1


async def _sum_of(ctx: NodeContext[Any, Any]) -> int:
    values = ctx.input.values() if isinstance(ctx.input, dict) else ctx.input
    return sum(values)


def prepare(shape: str, nodes: int, way: str) -> Callable[[], Awaitable[int]]:
    """What runs a graph of that shape and size once, and gives its result."""
    flow, last = {"chain": _chain, "fan": _fan, "batch": _batch, "loop": _loop}[shape](nodes)
    runtime = FlowRuntime([flow])

    async def once() -> int:
        result = (await runtime.run(flow)).raise_for_status()
        if result.steps != nodes:
            raise RuntimeError(f"{shape} of {nodes}: {result.steps} steps")
        return int(result.outputs[last])

    return once


def _chain(nodes: int) -> tuple[FlowBuilder, str]:
    flow = create_flow("chain").node("0", _begin)
    for node in range(1, nodes):
        flow.node(f"{node}", _step).edge(f"{node - 1}", f"{node}")
    return flow, f"{nodes - 1}"


def _fan(nodes: int) -> tuple[FlowBuilder, str]:
    flow = create_flow("fan").node("first", _begin).node("last", _sum_of)
    for node in range(nodes - 2):
        flow.node(f"{node}", _step).edge("first", f"{node}").edge(f"{node}", "last")
    return flow, "last"


def _batch(nodes: int) -> tuple[FlowBuilder, str]:
    async def items(ctx: NodeContext[Any, Any]) -> list[int]:
        return [0] * (nodes - 2)

    flow = create_flow("batch").node("items", items).batch("each", _step).node("last", _sum_of)
    return flow.edge("items", "each").edge("each", "last"), "last"


def _loop(nodes: int) -> tuple[FlowBuilder, str]:
    flow = create_flow("loop").node("begin", _begin).node("one", _step).node("two", _step).node("last", _step)
    flow.loop("again", start="one", end="two", condition=f"result.output < {nodes - 1}")
    return flow.edge("begin", "one").edge("one", "two").edge("again", "last"), "last"
