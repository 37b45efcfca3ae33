"""What a worker tells of long steps comes in time, however many there are and whatever fails meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from flowcraft_core import FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client
from flowcraft_core.durable.worker import Worker
from flowcraft_core.errors import TransientError
from flowcraft_testkit import VirtualClock
from flowcraft_testkit.contracts.interposed import Call, Interposed

from .helpers import world

Ctx = NodeContext[Any, Any]


async def test_many_long_steps_are_told_of_side_by_side() -> None:
    """Each request takes a while: one after the other, what is told of the last would come too late."""
    clock, begun = VirtualClock(), Counter[str]()

    async def work(ctx: Ctx) -> None:
        begun[ctx.run_id] += 1
        await clock.sleep(200.0)

    async def around(operation: str, call: Call) -> Any:
        if operation in ("coordination.set_if_absent", "coordination.extend_ttl"):
            await clock.sleep(0.2)
        return await call()

    flow = create_flow("f").node("s", work)
    async with world(clock) as backend:
        client, runtime = Client(backend, flows=[flow], clock=clock), FlowRuntime([flow], clock=clock)
        options: dict[str, Any] = {"heartbeat": None, "told_after": None, "control_interval": 120.0, "prefetch": 0}
        workers = [Worker(Interposed(backend, around), runtime, concurrency=150, **options) for _ in range(2)]
        first = asyncio.ensure_future(workers[0].run())
        for number in range(150):
            await client.start(flow, run_id=f"r{number}")
        await clock.sleep(10.0)
        second = asyncio.ensure_future(workers[1].run())
        await clock.sleep(185.0)
        assert set(begun.values()) == {1}
        for each in workers:
            each.stop()
        await asyncio.gather(first, second)


@pytest.mark.usefixtures("quiet")
async def test_an_undo_goes_on_being_held_once_the_store_has_been_away() -> None:
    clock = VirtualClock()
    begun, away = list[float](), False

    async def book(ctx: Ctx) -> int:
        return 1

    async def unbook(ctx: Ctx) -> None:
        nonlocal away
        begun.append(clock.now())
        await clock.sleep(15.0)
        away = True
        await clock.sleep(10.0)
        away = False
        await clock.sleep(300.0)

    async def fail(ctx: Ctx) -> None:
        raise ValueError("no")

    async def around(operation: str, call: Call) -> Any:
        if away and operation == "coordination.extend_ttl":
            raise TransientError("away")
        return await call()

    flow = create_flow("f").node("book", book, undo=unbook).node("fail", fail).edge("book", "fail")
    async with world(clock) as backend:
        client, runtime = Client(backend, flows=[flow], clock=clock), FlowRuntime([flow], clock=clock)
        workers = [Worker(Interposed(backend, around), runtime, heartbeat=None) for _ in range(2)]
        working = [asyncio.ensure_future(worker.run()) for worker in workers]
        await client.start(flow, run_id="r")
        assert (await client.wait("r")).status == "failed"
        for each in workers:
            each.stop()
        await asyncio.gather(*working)
    assert len(begun) == 1
