"""Hosts that receive by themselves, as functions do, hold what they are at just as a worker does."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
from flowcraft_core import FlowBuilder, FlowRuntime, Limit, NodeContext, create_flow
from flowcraft_core.durable import Adapter, Client
from flowcraft_core.ports import Delivery
from flowcraft_testkit import InMemoryBackend, VirtualClock
from flowcraft_testkit.contracts.interposed import Call, Interposed

from .helpers import STRONG, world

Ctx = NodeContext[Any, Any]

# What a function may take, and for how long its host hides a message: as Lambda's documents say, six times as long.
_LIFE, _HIDDEN = 900.0, 5400.0


@attrs.define
class Work:
    """A step that takes its time.

    Attributes:
        clock: Tells the time.
        seconds: How long it takes.
        begun: When it was begun.
        ended: When it ended, by itself or not.
        most: How many were at it at once.
    """

    clock: VirtualClock
    seconds: float
    begun: list[float] = attrs.field(factory=list)
    ended: list[float] = attrs.field(factory=list)
    most: int = 0

    async def do(self, ctx: Ctx) -> int:
        """The step."""
        self.begun.append(self.clock.now())
        self.most = max(self.most, len(self.begun) - len(self.ended))
        try:
            await self.clock.sleep(self.seconds)
        finally:
            self.ended.append(self.clock.now())
        return 1


@attrs.define
class Functions:
    """Functions on one backend, and the timer of their reconciler.

    Attributes:
        backend: Where.
        client: Starts runs.
        adapter: Whose functions they are.
        asked: How often each operation was called by them, but for receives.
        done: What became of messages.
    """

    backend: InMemoryBackend
    client: Client
    adapter: Adapter
    asked: Counter[str]
    done: list[bool]


@asynccontextmanager
async def functions(
    clock: VirtualClock, flow: FlowBuilder, *, number: int = 4, life: float = _LIFE, timer: bool = True, **options: Any
) -> AsyncIterator[Functions]:
    asked, done = Counter[str](), list[bool]()

    async def around(operation: str, call: Call) -> Any:
        asked[operation] += 1
        return await call()

    async def host() -> None:
        while True:
            for delivery in await backend.queue.receive(max_messages=1, wait=5.0, visibility=_HIDDEN):
                is_done = await adapter.handle_job(delivery.body, count=delivery.count, remaining=_left(clock, life))
                done.append(is_done)
                await _answer(delivery, is_done)

    async def _answer(delivery: Delivery, is_done: bool) -> None:
        await (backend.queue.acknowledge([delivery]) if is_done else backend.queue.extend([delivery], 5.0))

    async def tick() -> None:
        while True:
            await clock.sleep(60.0)
            await adapter.reconcile()

    backend = world(clock, STRONG)
    runtime = FlowRuntime([flow], clock=clock, **options)
    async with backend, Adapter(lambda: Interposed(backend.connect(), around), runtime) as adapter:
        hosts = [asyncio.ensure_future(host()) for _ in range(number)]
        hosts += [asyncio.ensure_future(tick())] if timer else []
        yield Functions(backend, Client(backend, flows=[flow], clock=clock), adapter, asked, done)
        for each in hosts:
            each.cancel()
        await asyncio.gather(*hosts, return_exceptions=True)


def _left(clock: VirtualClock, life: float) -> Callable[[], float]:
    end = clock.now() + life
    return lambda: end - clock.now()


async def test_a_long_step_is_executed_once_though_a_reconciler_looks() -> None:
    work = Work(clock := VirtualClock(), 600.0)
    async with functions(clock, flow := create_flow("f").node("s", work.do)) as here:
        await here.client.start(flow, run_id="r")
        assert (await here.client.wait("r")).status == "completed"
    assert len(work.begun) == 1


async def test_a_place_under_a_limit_is_kept_for_as_long_as_its_step_runs() -> None:
    work = Work(clock := VirtualClock(), 100.0)
    flow = create_flow("f").node("s", work.do, limit="scarce")
    async with functions(clock, flow, timer=False, limits=[Limit("scarce", concurrency=1)]) as here:
        for number in range(4):
            await here.client.start(flow, run_id=f"r{number}")
        for number in range(4):
            await here.client.wait(f"r{number}")
    assert work.most == 1


async def test_a_step_of_a_cancelled_run_is_cut_off_and_its_message_done_with() -> None:
    work = Work(clock := VirtualClock(), 600.0)
    async with functions(clock, flow := create_flow("f").node("s", work.do)) as here:
        await here.client.start(flow, run_id="r")
        await clock.sleep(30.0)
        assert await here.client.cancel("r")
        cancelled = clock.now()
        await clock.sleep(700.0)
        assert here.done == [True]
    assert len(work.begun) == 1
    assert work.ended[0] - cancelled <= 3.0


async def test_a_run_that_is_late_has_its_step_cut_off() -> None:
    work = Work(clock := VirtualClock(), 600.0)
    async with functions(clock, flow := create_flow("f").node("s", work.do), timer=False) as here:
        await here.client.start(flow, run_id="r", timeout=60.0)
        assert (await here.client.wait("r")).status == "failed"
        await clock.sleep(5.0)
        assert here.done == [True]
    assert work.ended[0] - work.begun[0] < 65.0


@pytest.mark.parametrize("limits", [[], [Limit("scarce", concurrency=1)]])
async def test_a_step_shorter_than_the_time_after_which_it_is_told_costs_nothing_more(limits: list[Limit]) -> None:
    asked: list[Counter[str]] = []
    for seconds in (0.0, 9.9):
        work = Work(clock := VirtualClock(), seconds)
        flow = create_flow("f").node("s", work.do, limit="scarce" if limits else None)
        async with functions(clock, flow, number=1, timer=False, limits=limits) as here:
            await here.client.start(flow, run_id="r")
            await here.client.wait("r")
            await clock.sleep(1.0)
            asked.append(here.asked.copy())
    assert asked[0] == asked[1]


async def test_what_was_cut_off_is_said_to_be_held_no_more() -> None:
    """Its message is delivered again at once, and is not to wait for what has ended."""
    clock, said = VirtualClock(), list[bool]()

    async def hang(ctx: Ctx) -> None:
        await clock.sleep(60.0)
        said.append(any(key.startswith("held:") for key in here.backend._world.hints._entries))
        await asyncio.Event().wait()

    async with functions(clock, flow := create_flow("f").node("s", hang), number=0, timer=False) as here:
        await here.client.start(flow, run_id="r")
        (delivery,) = await here.backend.queue.receive(max_messages=1, wait=0.0, visibility=_HIDDEN)
        left = iter([_LIFE])  # of the machine's time, which alone ends invocations
        assert not await here.adapter.handle_job(delivery.body, remaining=lambda: next(left, 3.1))
        assert said == [True]
        assert not any(key.startswith("held:") for key in here.backend._world.hints._entries)


async def test_who_is_cut_off_by_the_host_is_not_done() -> None:
    """A host that cancels a message that it handles gets its cancellation, and no answer."""
    work = Work(clock := VirtualClock(), 600.0)
    async with functions(clock, flow := create_flow("f").node("s", work.do), number=0, timer=False) as here:
        await here.client.start(flow, run_id="r")
        (delivery,) = await here.backend.queue.receive(max_messages=1, wait=0.0, visibility=_HIDDEN)
        handling = asyncio.ensure_future(here.adapter.handle_job(delivery.body))
        await clock.sleep(30.0)
        handling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await handling
        assert len(work.ended) == 1
