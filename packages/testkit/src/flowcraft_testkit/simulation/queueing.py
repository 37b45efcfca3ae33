"""A scenario whose nodes are on queues that different workers serve."""

from __future__ import annotations

from typing import Any

from flowcraft_core import FlowBuilder, NodeContext, RetryPolicy, create_flow

Ctx = NodeContext[Any, Any]


async def _pair(ctx: Ctx) -> list[int]:
    return [1, 2]


async def _add(ctx: Ctx) -> Any:
    return ctx.input + 1


async def _second_time(ctx: Ctx) -> Any:
    if ctx.attempt == 1:
        raise ValueError("not the first time")
    return ctx.input


async def _total(ctx: Ctx) -> int:
    return sum(ctx.input)


def queues() -> FlowBuilder:
    """A batch on one queue, a called flow on another with a node of its own on the first, and a retry there."""
    inner = create_flow("inner", queue="urgent").node("x", _add).node("y", _second_time, queue="gpu", retries=_AT_ONCE)
    inner.edge("x", "y")
    flow = create_flow("queues").node("a", _pair).batch("items", _add, queue="gpu").node("sum", _total)
    flow.subflow("call", inner).node("z", _add, queue="urgent").sleep("s", 2.0)
    return flow.edge("a", "items").edge("items", "sum").edge("sum", "call").edge("call", "s").edge("s", "z")


_AT_ONCE = RetryPolicy(max_attempts=2, delay=1.0)
