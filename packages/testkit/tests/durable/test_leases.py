"""A step whose node asks for a lease: two are rarely at it, and what becomes of the lease keeps nobody from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext, RetryPolicy, create_flow
from flowcraft_core.durable import Client
from flowcraft_core.durable.worker import Worker
from flowcraft_testkit import InMemoryBackend, VirtualClock
from flowcraft_testkit.contracts.interposed import Call, Interposed

from .helpers import world

Ctx = NodeContext[Any, Any]

_VISIBILITY = 30.0


class Work:
    """A step that takes its time, and how many are at it."""

    def __init__(self, clock: VirtualClock, seconds: float, *, failures: int = 0) -> None:
        self.clock, self.seconds, self.failures = clock, seconds, failures
        self.now = self.most = self.begun = 0

    async def do(self, ctx: Ctx) -> int:
        """Take the time."""
        self.now, self.begun = self.now + 1, self.begun + 1
        self.most = max(self.most, self.now)
        fails = self.begun <= self.failures
        try:
            await self.clock.sleep(self.seconds)
        finally:
            self.now -= 1
        if fails:
            raise ValueError("not yet")
        return 1


@asynccontextmanager
async def workers(
    clock: VirtualClock, flow: FlowBuilder, *, copies: bool = True, number: int = 2, **options: Any
) -> AsyncIterator[tuple[InMemoryBackend, Client]]:
    async with world(clock) as backend:
        runtime = FlowRuntime([flow], clock=clock)
        options = {"heartbeat": None, "told_after": None, "concurrency": 1, "prefetch": 0, **options}

        async def around(operation: str, call: Call) -> Any:
            if operation == "queue.send" and copies:
                await call()
            return await call()

        hired = [Worker(backend, runtime, visibility=_VISIBILITY, **options) for _ in range(number)]
        working = [asyncio.ensure_future(worker.run()) for worker in hired]
        # Without the power to start by one request it sends the first job by itself.
        yield backend, Client(Interposed(backend, around, starts=False), flows=[flow], clock=clock)
        for worker in hired:
            worker.stop()
        await asyncio.gather(*working)


def leased(work: Work, **options: Any) -> FlowBuilder:
    return create_flow("f").node("s", work.do, lease=True, **options)


@pytest.mark.parametrize("seconds", [0.5, 20.0, 300.0])
async def test_two_copies_of_its_job_are_not_executed_side_by_side(seconds: float) -> None:
    work = Work(clock := VirtualClock(), seconds)
    async with workers(clock, leased(work)) as (_, client):
        await client.start("f", run_id="r")
        assert (await client.wait("r")).status == "completed"
        await clock.sleep(2 * _VISIBILITY)
    assert (work.begun, work.most) == (1, 1)


async def test_without_a_lease_they_are() -> None:
    work = Work(clock := VirtualClock(), 20.0)
    async with workers(clock, create_flow("f").node("s", work.do)) as (_, client):
        await client.start("f", run_id="r")
        await client.wait("r")
    assert work.most == 2


async def test_each_attempt_is_made_by_one() -> None:
    work = Work(clock := VirtualClock(), 20.0, failures=2)
    flow = leased(work, retries=RetryPolicy(max_attempts=3, delay=5.0))
    async with workers(clock, flow) as (_, client):
        await client.start("f", run_id="r")
        assert (await client.wait("r")).status == "completed"
    assert (work.begun, work.most) == (3, 1)


async def test_a_lease_that_was_wiped_keeps_nobody_from_going_on() -> None:
    work = Work(clock := VirtualClock(), 100.0)
    async with workers(clock, leased(work)) as (backend, client):
        await client.start("f", run_id="r")
        for _ in range(9):
            await clock.sleep(10.0)
            backend._world.hints._entries.clear()
        began = clock.now()
        assert (await client.wait("r")).status == "completed"
        assert clock.now() - began < 200.0


async def test_a_lease_that_a_strangers_program_holds_for_a_while_delays_a_run_and_no_more() -> None:
    work = Work(clock := VirtualClock(), 1.0)
    async with workers(clock, leased(work), copies=False, number=0) as (backend, client):
        await client.start("f", run_id="r")
        record = (await client._stored.runs.get("r")) if hasattr(client, "_stored") else None
        assert record is not None
        key = f"lease:{record.incarnation}:s"
        assert await backend.coordination.set_if_absent(key, "a stranger", ttl=100.0)
        began = clock.now()
        worker = Worker(backend, FlowRuntime([leased(work)], clock=clock), heartbeat=None)
        working = asyncio.ensure_future(worker.run())
        assert (await client.wait("r")).status == "completed"
        assert 100.0 <= clock.now() - began < 150.0
        worker.stop()
        await working
    assert work.begun == 1


@pytest.mark.usefixtures("quiet")
async def test_who_dies_with_a_lease_is_followed_and_counted() -> None:
    """A step that ends its worker each time is given up as any other is: its deliveries are not lost by waiting."""
    clock, begun = VirtualClock(), list[float]()
    died: asyncio.Queue[None] = asyncio.Queue()

    async def kill(ctx: Ctx) -> None:
        begun.append(clock.now())
        died.put_nowait(None)
        await asyncio.Event().wait()

    flow = create_flow("f").node("s", kill, lease=True)
    async with world(clock) as backend:
        client = Client(backend, flows=[flow], clock=clock)
        await client.start(flow, run_id="r")
        ended = asyncio.ensure_future(client.wait("r", timeout=3_600))
        while not ended.done():
            dead = asyncio.Event()
            worker = Worker(
                Interposed(backend.connect(), _until(dead)), FlowRuntime([flow], clock=clock), heartbeat=None
            )
            await worker._place.open()
            working = asyncio.ensure_future(worker.run())
            dies = asyncio.ensure_future(died.get())
            await asyncio.wait([ended, dies], return_when=asyncio.FIRST_COMPLETED)
            dies.cancel()
            dead.set()
            working.cancel()
        assert ended.result().status == "failed"
    assert 2 <= len(begun) <= 11


def _until(dead: asyncio.Event) -> Any:
    async def around(operation: str, call: Call) -> Any:
        if dead.is_set():
            await asyncio.Event().wait()
        answer = await call()
        if dead.is_set():
            await asyncio.Event().wait()
        return answer

    return around


async def test_a_lease_is_given_back_at_once() -> None:
    work = Work(clock := VirtualClock(), 1.0)
    async with workers(clock, leased(work), copies=False) as (backend, client):
        await client.start("f", run_id="r")
        await client.wait("r")
        await clock.sleep(0.1)
        assert not any(key.startswith("lease:") for key in backend._world.hints._entries)
