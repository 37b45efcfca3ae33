"""A long loop, and what it costs who looks at it from outside: the result and the reconciler, for each pass."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client, Reconciler, Worker
from flowcraft_testkit import VirtualClock, Weaknesses
from flowcraft_testkit.memory import InMemoryBackend


def measured(sizes: Sequence[int], repeat: int) -> list[dict[str, Any]]:
    """What each look takes of a processor for a pass, microseconds, with its least and most.

    Args:
        sizes: How many passes a loop has.
        repeat: How often each looks at it, in turns; what counts is the middle.
    """
    return [asyncio.run(_looked_at(passes, repeat)) for passes in sizes]


def _flow(passes: int) -> FlowBuilder:
    async def add(ctx: NodeContext[Any, Any]) -> int:
        return int(ctx.input or 0) + 1

    # It waits at last: of a run that has ended, there is nothing to reconcile.
    flow = create_flow("long").node("first", add).node("add", add).edge("first", "add").wait("held")
    return flow.edge("first", "held").loop("again", start="add", end="add", condition=f"result.output <= {passes}")


async def _looked_at(passes: int, repeat: int) -> dict[str, Any]:
    clock, flow = VirtualClock(), _flow(passes)
    async with InMemoryBackend(clock=clock, weaknesses=Weaknesses.none()) as backend:
        client = Client(backend, flows=[flow], clock=clock)
        worker = Worker(backend, FlowRuntime([flow], clock=clock), reconcile=False)
        working = asyncio.ensure_future(worker.run())
        run_id = (await client.start(flow)).run_id
        while "again" not in (await client.result(run_id)).outputs:
            await clock.sleep(600.0)
        worker.stop()
        await working
        if (found := (await client.result(run_id)).outputs["again"]) != passes + 1:
            raise RuntimeError(f"the loop gave {found}, not {passes + 1}")
        await clock.sleep(600.0)
        looks: dict[str, Callable[[], Awaitable[object]]] = {
            "result": lambda: client.result(run_id),
            "reconciler": lambda: Reconciler(backend, clock=clock).reconcile(run_id),
        }
        took: dict[str, list[float]] = {name: [] for name in looks}
        for _ in range(repeat):
            for name, look in looks.items():
                gc.collect()
                began = time.process_time()
                await look()
                took[name].append((time.process_time() - began) * 1e6 / passes)
    us = {name: {"us": statistics.median(each), "min": min(each), "max": max(each)} for name, each in took.items()}
    return {"passes": passes, "us_per_pass": us}
