"""An attempt that was put off, and whose job was lost, is made soon after its time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Sequence
from typing import Any

import pytest
from flowcraft_core import FlowRuntime, NodeContext, RetryAfter, RetryPolicy, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_core.durable.signals import CHECK_AFTER
from flowcraft_core.ports import Message
from flowcraft_testkit import InMemoryBackend, VirtualClock

from .helpers import STRONG, killed, working, world

_INTERVAL = 8.0


async def _die(backend: InMemoryBackend, runtime: FlowRuntime, until: Awaitable[object]) -> None:
    """Three workers are killed, and what they have sent for later is lost with them."""

    async def three() -> None:
        connections = [backend.connect() for _ in range(3)]
        for connection in connections:
            await connection.open()
            _forgetful(connection)
        workers = [Worker(each, runtime, poll=20.0, reconcile_interval=_INTERVAL) for each in connections]
        await asyncio.gather(*(worker.run() for worker in workers))

    await killed(three, until)


def _forgetful(connection: InMemoryBackend) -> None:
    send = connection.queue.send

    async def losing(messages: Sequence[Message], *, delay: float = 0) -> None:
        if not delay:
            await send(messages)

    connection.queue.send = losing  # type: ignore[method-assign]


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("weak", [False, True])
@pytest.mark.parametrize("delay", [24.0, 80.0])
@pytest.mark.parametrize("after", [0.0, 0.7, 1.9])
async def test_an_attempt_that_was_put_off_and_whose_job_was_lost_is_late_by_little(
    weak: bool, delay: float, after: float
) -> None:
    clock, tried = VirtualClock(), list[float]()

    async def step(ctx: NodeContext[Any, Any]) -> int:
        tried.append(clock.now())
        if len(tried) <= 3:
            raise RetryAfter(delay, counts=False)
        return ctx.deferrals

    flow = create_flow("f").node("call", step, retries=RetryPolicy(max_attempts=1, max_deferrals=3))
    runtime = FlowRuntime([flow], clock=clock)
    async with world(clock, None if weak else STRONG) as backend:
        client = Client(backend, flows=[flow], clock=clock)
        run = await client.start(flow)

        async def is_put_off(times: int) -> None:
            until = clock.now() + 3600
            while clock.now() < until:
                (call,) = (await client.describe(run.run_id)).instances
                if len(tried) >= times and (call.due or 0) > tried[times - 1] + delay / 2:
                    await clock.sleep(after)
                    return
                await clock.sleep(0.3)

        for times in (1, 2, 3):
            await _die(backend, runtime, is_put_off(times))
            await clock.sleep(delay / 2)
        async with working(backend, runtime, number=3, poll=20.0, reconcile_interval=_INTERVAL):
            result = await client.wait(run.run_id, timeout=3600)
    assert (result.status, result.outputs) == ("completed", {"call": 3})
    late = [later - earlier - delay for earlier, later in itertools.pairwise(tried)]
    assert len(late) == 3
    # Until then a job that nobody has lost is waited for; a reconciler looks after each quarter of its interval.
    assert all(0 <= each < CHECK_AFTER + _INTERVAL for each in late), late
    assert all(each > 1 for each in late), f"the jobs were not lost: {late}"
