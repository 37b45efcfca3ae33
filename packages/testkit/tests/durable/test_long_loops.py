"""What looks at a long loop pays for each pass the same, however many there were."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import pytest
from flowcraft_core import FlowRuntime, NodeContext, create_flow
from flowcraft_core.builder import FlowBuilder
from flowcraft_core.durable import Client, Reconciler
from flowcraft_core.durable.worker import Worker
from flowcraft_testkit import VirtualClock

from .helpers import STRONG, world

_FEW = 25


def _flow(passes: int) -> FlowBuilder:
    async def add(ctx: NodeContext[Any, Any]) -> int:
        return int(ctx.input or 0) + 1

    flow = create_flow("long").node("s", add).node("add", add).edge("s", "add").wait("held").edge("s", "held")
    return flow.loop("again", start="add", end="add", condition=f"result.output <= {passes}")


async def _calls(act: Callable[[], Awaitable[object]]) -> int:
    """How many functions of the engine are called meanwhile."""
    calls = 0

    def count(frame: FrameType, event: str, arg: object) -> None:
        nonlocal calls
        calls += event == "call" and "flowcraft_core" in frame.f_code.co_filename

    sys.setprofile(count)
    try:
        await act()
    finally:
        sys.setprofile(None)
    return calls


async def _looked_at(passes: int) -> dict[str, int]:
    clock, flow = VirtualClock(), _flow(passes)
    backend = world(clock, STRONG)
    async with backend:
        client = Client(backend, flows=[flow], clock=clock)
        worker = Worker(backend, FlowRuntime([flow], clock=clock), reconcile=False)
        at_work = asyncio.ensure_future(worker.run())
        run_id = (await client.start(flow)).run_id
        while "again" not in (await client.result(run_id)).outputs:
            await clock.sleep(60.0)
        worker.stop()
        await at_work
        assert (await client.result(run_id)).outputs["again"] == passes + 1
        await clock.sleep(600.0)
        looks: dict[str, Callable[[], Awaitable[object]]] = {
            "result": lambda: client.result(run_id),
            "describe": lambda: client.describe(run_id),
            "reconciler": lambda: Reconciler(backend, clock=clock).reconcile(run_id),
        }
        return {name: await _calls(look) for name, look in looks.items()}


@pytest.mark.timeout(240)
async def test_a_pass_costs_who_looks_the_same_however_many_there_were() -> None:
    """Counted in calls of functions: eight times as many passes cost eight times as much, or a little more."""
    few, many = await _looked_at(_FEW), await _looked_at(8 * _FEW)
    ratios = {name: many[name] / calls for name, calls in few.items()}
    assert all(ratio < 9.5 for ratio in ratios.values()), ratios
