"""A reconciler leaves to workers what they get on with, and only that."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from flowcraft_core import FlowRuntime, NodeContext, RetryPolicy, create_flow
from flowcraft_core.durable.client import Client
from flowcraft_core.durable.worker import Worker
from flowcraft_testkit import VirtualClock
from flowcraft_testkit.contracts.interposed import Call, Interposed

from .helpers import STRONG, place, world

Ctx = NodeContext[Any, Any]


async def test_what_waits_for_a_free_worker_is_not_sent_again() -> None:
    """A batch of five minutes on one worker: each item is sent once, though the run is looked at each minute."""
    clock, sent = VirtualClock(), Counter[str]()

    async def items(ctx: Ctx) -> list[int]:
        return list(range(120))

    async def work(ctx: Ctx) -> int:
        await clock.sleep(10.0)
        return int(ctx.input)

    flow = create_flow("wide").node("items", items).batch("each", work).edge("items", "each")

    async def around(operation: str, call: Call) -> Any:
        if operation == "queue.send":
            sent.update(message.body.split('"key":"')[1].split('"')[0] for message in call.args[0])
        return await call()

    backend = world(clock, STRONG)
    async with backend:
        client = Client(backend, flows=[flow], clock=clock)
        worker = Worker(Interposed(backend, around), FlowRuntime([flow], clock=clock), concurrency=4)
        at_work = asyncio.ensure_future(worker.run())
        began = clock.now()
        run_id = (await client.start(flow)).run_id
        result = await client.wait(run_id, timeout=3_600)
        worker.stop()
        await at_work
    assert result.outputs["each"] == list(range(120))
    assert clock.now() - began >= 300
    assert {key: times for key, times in sent.items() if times > 1} == {}


async def test_a_lost_job_of_a_busy_run_is_sent_again_in_the_end() -> None:
    """One branch goes on for an hour; the job of the other was lost, and holds up nothing else."""
    ended: dict[str, float] = {}

    async def work(ctx: Ctx) -> None:
        await clock.sleep(20.0)
        ended[ctx.key] = clock.now()

    flow = create_flow("branches").node("s", work).node("lost", work).edge("s", "lost")
    for number in range(180):
        flow.node(f"n{number}", work).edge(f"n{number - 1}" if number else "s", f"n{number}")
    async with place(flow) as here:
        clock, began = here.clock, here.clock.now()
        lose = Losing()
        worker = Worker(Interposed(here.backend, lose.around), here.runtime)
        at_work = asyncio.ensure_future(worker.run())
        run_id = (await here.client.start(flow)).run_id
        result = await here.client.wait(run_id, timeout=7_200)
        worker.stop()
        await at_work
        assert (result.status, lose.lost) == ("completed", 1)
        assert ended["lost"] - began < 15 * 60


async def test_a_sleep_beyond_the_queues_reach_ends_in_time_beside_a_long_step() -> None:
    """The heartbeats of an hour's step do not put off what is due meanwhile."""
    ended: dict[str, float] = {}

    async def work(ctx: Ctx) -> None:
        await clock.sleep(3_600.0 if ctx.key == "long" else 0.0)
        ended[ctx.key] = clock.now()

    flow = create_flow("beside").node("long", work).sleep("nap", 1_200.0).node("after", work).edge("nap", "after")
    async with place(flow) as here:
        clock, began = here.clock, here.clock.now()
        async with here.working():
            result = await here.finished(flow, timeout=7_200)
        assert result.status == "completed"
        assert ended["after"] - began < 1_200 + 30


class Losing:
    """Loses the first message for one node."""

    def __init__(self) -> None:
        self.lost = 0

    async def around(self, operation: str, call: Call) -> Any:
        if operation == "queue.send" and not self.lost:
            messages, others = call.args[0], [each for each in call.args[0] if '"key":"lost"' not in each.body]
            self.lost = len(messages) - len(others)
            if self.lost:
                return await call.func(others, **call.keywords) if others else None
        return await call()


async def test_an_attempt_that_takes_long_is_not_made_beside_itself() -> None:
    """The first one has failed, the second goes on for an hour: its job is neither lost nor late."""
    begun: list[float] = []

    async def work(ctx: Ctx) -> int:
        begun.append(ctx.attempt)
        if ctx.attempt == 1:
            raise ConnectionError("down")
        await here.clock.sleep(3_600.0)
        return ctx.attempt

    flow = create_flow("long").node("call", work, retries=RetryPolicy(max_attempts=2, delay=1))
    async with place(flow) as here, here.working(number=2):
        result = await here.finished(flow, timeout=7_200)
    assert result.outputs == {"call": 2}
    assert begun == [1, 2]
