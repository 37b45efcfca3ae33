"""A worker hands the step that it is at to another job, while a step ends, or the backend takes its time."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise
from typing import Any

import attrs
import pytest
from flowcraft_core import FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable.client import Client
from flowcraft_core.durable.worker import Worker
from flowcraft_core.errors import TransientError
from flowcraft_testkit import CLOUD_QUEUE, VirtualClock
from flowcraft_testkit.contracts.interposed import Call, Interposed

from .helpers import STRONG, world

_VISIBILITY = 20.0
# So short that each heartbeat hands over whatever step is under way.
_LONGEST = attrs.evolve(CLOUD_QUEUE, max_visibility=2 * _VISIBILITY)
_NODES = [f"n{number}" for number in range(20)]


@pytest.mark.parametrize("step", [3.0, 5.0, 11.0, 90.0])
@pytest.mark.parametrize(("operation", "pause"), [("queue.send", 4.0), ("coordination.set_if_absent", 4.0), ("", 0.0)])
async def test_each_step_is_executed_once_however_slow_the_hand_over_is(
    step: float, operation: str, pause: float
) -> None:
    """Steps end, and the next begin, while the worker sets the lease or sends the job."""
    executed = await _executed(step, operation, pause)
    assert executed == Counter(_NODES)


async def test_a_hand_over_that_fails_is_made_again() -> None:
    executed = await _executed(90.0, "queue.send", 0.0, failing=3)
    assert executed == Counter(_NODES)


async def _executed(step: float, slow: str, pause: float, failing: int = 0) -> Counter[str]:
    clock, executed = VirtualClock(), Counter[str]()
    left = failing

    async def work(ctx: NodeContext[Any, Any]) -> None:
        executed[ctx.key] += 1
        await clock.sleep(step)

    flow = create_flow("long")
    for name in _NODES:
        flow.node(name, work)
    for before, after in pairwise(_NODES):
        flow.edge(before, after)

    async def around(operation: str, call: Call) -> Any:
        nonlocal left
        handed_over = operation == "queue.send" and '"hops":1' in call.args[0][0].body.replace(" ", "")
        if operation == slow and (handed_over or operation != "queue.send"):
            if left:
                left -= 1
                raise TransientError("throttled")
            await clock.sleep(pause)
        return await call()

    backend = world(clock, STRONG, queue_limits=_LONGEST)
    async with backend:
        client, runtime = Client(backend, flows=[flow], clock=clock), FlowRuntime([flow], clock=clock)
        workers = [Worker(Interposed(backend, around), runtime, visibility=_VISIBILITY) for _ in range(3)]
        at_work = [asyncio.ensure_future(worker.run()) for worker in workers]
        run_id = (await client.start(flow)).run_id
        assert (await client.wait(run_id, timeout=20_000)).status == "completed"
        for worker in workers:
            worker.stop()
        await asyncio.gather(*at_work)
    assert not left
    return executed


async def test_what_was_kept_for_the_step_under_way_is_told_before_another_job_goes_on() -> None:
    """The worker that handed over dies: nobody delivers its own job again, and no reconciler looks."""
    clock, executed = VirtualClock(), Counter[str]()
    handed_over = asyncio.Event()

    async def work(ctx: NodeContext[Any, Any]) -> None:
        executed[ctx.key] += 1
        await clock.sleep(90.0 if ctx.node_id == "long" else 0.0)

    flow = create_flow("kept")
    for name in ("start", "before", "beside", "long", "handler", "join"):
        flow.node(name, work)
    flow.edge("start", "before").edge("start", "beside").edge("before", "long").edge("before", "handler", on="failure")
    flow.edge("handler", "join").edge("long", "join").edge("beside", "join")

    async def around(operation: str, call: Call) -> Any:
        answer = await call()
        if operation == "queue.send" and '"hops":1' in call.args[0][0].body.replace(" ", ""):
            handed_over.set()
        return answer

    backend = world(clock, STRONG, queue_limits=_LONGEST)
    async with backend:
        client, runtime = Client(backend, flows=[flow], clock=clock), FlowRuntime([flow], clock=clock)
        first = Worker(Interposed(backend, around), runtime, visibility=_VISIBILITY, reconcile=False)
        at_work = asyncio.ensure_future(first.run())
        run_id = (await client.start(flow)).run_id
        await handed_over.wait()
        await clock.sleep(1.0)  # its own job is acknowledged
        at_work.cancel()
        await asyncio.gather(at_work, return_exceptions=True)
        second = Worker(backend, runtime, visibility=_VISIBILITY, reconcile=False)
        at_work = asyncio.ensure_future(second.run())
        assert (await client.wait(run_id, timeout=2_000)).status == "completed"
        second.stop()
        await at_work
    assert executed == Counter(start=1, before=1, beside=1, long=2, join=1)
