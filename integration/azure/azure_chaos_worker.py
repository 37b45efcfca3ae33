"""A worker as a process, to be killed: ``python azure_chaos_worker.py``; where it works is in its environment."""

from __future__ import annotations

import asyncio

from flowcraft_azure import AzureQueueAdapter, AzureSettings
from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Settings

WIDTH = 12


async def _begin(ctx: NodeContext) -> int:
    await ctx.context.set("begun", True)
    return 1


async def _add(ctx: NodeContext) -> int:
    await asyncio.sleep(0.05)
    return int(ctx.input) + 1


async def _total(ctx: NodeContext) -> int:
    values = ctx.input.values() if isinstance(ctx.input, dict) else ctx.input
    return sum(values)


async def _numbers(ctx: NodeContext) -> list[int]:
    return list(range(WIDTH))


def fan() -> FlowBuilder:
    """One, then many, then one, and another."""
    flow = create_flow("fan").node("s", _begin).node("e", _total).node("after", _add).edge("e", "after")
    for place in range(WIDTH):
        flow.node(f"n{place}", _add).edge("s", f"n{place}").edge(f"n{place}", "e")
    return flow


def batch() -> FlowBuilder:
    """A batch and its sum."""
    flow = create_flow("batch").node("numbers", _numbers).batch("each", _add).node("sum", _total)
    return flow.edge("numbers", "each").edge("each", "sum")


FLOWS = (fan, batch)
#: What each flow ends with: a node, and its output.
ENDS = {"fan": ("after", 2 * WIDTH + 1), "batch": ("sum", sum(range(WIDTH)) + WIDTH)}


def adapter(environment: dict[str, str] | None = None) -> AzureQueueAdapter:
    """An adapter with these flows where the environment says, in a hurry to find what the dead have left."""
    settings = AzureSettings.from_environment(environment) if environment else AzureSettings.from_environment()
    return AzureQueueAdapter(
        runtime=FlowRuntime([flow() for flow in FLOWS]),
        **settings.for_backend(),
        staleness=0.5,
        visibility=3.0,
        poll=1.0,
        concurrency=4,
        reconcile_interval=2.0,
        # Whoever kills a worker every few steps kills some step again and again, which is none that kills.
        settings=Settings(delivery_limit=1_000),
    )


if __name__ == "__main__":
    asyncio.run(adapter().serve(handle_signals=True))
