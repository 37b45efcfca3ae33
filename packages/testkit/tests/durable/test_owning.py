"""What a worker has received is its own at once: it is held, and given back or acknowledged however the worker ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, cast

import attrs
import pytest
from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_core.errors import BackendError, TransientError
from flowcraft_core.ports import Measured, QueueDepth
from flowcraft_testkit import InMemoryBackend, VirtualClock

from .helpers import STRONG

# So many passes of the event loop a worker is watched for: by then it has begun with what there was.
_PASSES = 25


@attrs.define
class World:
    """A backend with a flow of one step, and how its queues answer.

    Attributes:
        clock: The clock.
        backend: The backend.
        flow: The flow.
        begun: When the step was begun.
        gpu_takes: How long the queue ``gpu`` takes to answer, seconds.
        gpu_fails: With what it fails.
        acknowledging_takes: How long the other one takes to acknowledge, seconds.
    """

    clock: VirtualClock
    backend: InMemoryBackend
    flow: FlowBuilder
    begun: list[float]
    gpu_takes: float = 0.0
    gpu_fails: Exception | None = None
    acknowledging_takes: float = 0.0

    @property
    def client(self) -> Client:
        return Client(self.backend, flows=[self.flow], clock=self.clock)

    def worker(self, *queues: str) -> Worker:
        runtime = FlowRuntime([self.flow], clock=self.clock)
        return Worker(self.backend, runtime, queues=queues, reconcile=False, heartbeat=None, told_after=None)

    async def depth(self) -> QueueDepth:
        return await cast("Measured", self.backend.queue).depth()


@contextlib.asynccontextmanager
async def a_world(monkeypatch: pytest.MonkeyPatch, step_takes: float = 0.0) -> AsyncIterator[World]:
    clock, begun = VirtualClock(), list[float]()
    start = clock.now()

    async def step(ctx: NodeContext) -> int:
        begun.append(clock.now() - start)
        await clock.sleep(step_takes)
        return 1

    async with InMemoryBackend(clock=clock, weaknesses=STRONG) as backend:
        world = World(clock, backend, create_flow("f").node("s", step), begun)
        assert backend.queues is not None
        gpu = backend.queues.named("gpu")
        receive, acknowledge = gpu.receive, backend.queue.acknowledge

        async def receiving(**options: Any) -> Any:
            if world.gpu_takes:
                await clock.sleep(world.gpu_takes)
            if world.gpu_fails is not None:
                raise world.gpu_fails
            return await receive(**options)

        async def acknowledging(deliveries: Any) -> None:
            await clock.sleep(world.acknowledging_takes)
            await acknowledge(deliveries)

        monkeypatch.setattr(gpu, "receive", receiving)
        monkeypatch.setattr(backend.queue, "acknowledge", acknowledging)
        monkeypatch.setattr(backend.queues, "named", lambda name: gpu if name == "gpu" else backend.queue)
        yield world


@pytest.mark.parametrize("queues", [("default",), ("default", "gpu")])
@pytest.mark.parametrize("passes", range(_PASSES))
async def test_a_worker_that_stops_leaves_no_message_hidden(
    monkeypatch: pytest.MonkeyPatch, queues: tuple[str, ...], passes: int
) -> None:
    async with a_world(monkeypatch) as world:
        await world.client.start(world.flow, run_id="r")
        worker = world.worker(*queues)
        working = asyncio.ensure_future(worker.run())
        for _ in range(passes):
            await asyncio.sleep(0)
        worker.stop()
        await working
        assert (await world.depth()).in_flight == 0


@pytest.mark.parametrize("queues", [("default",), ("default", "gpu")])
@pytest.mark.parametrize("passes", range(_PASSES))
async def test_a_worker_that_is_cancelled_leaves_no_message_hidden(
    monkeypatch: pytest.MonkeyPatch, queues: tuple[str, ...], passes: int
) -> None:
    async with a_world(monkeypatch, step_takes=100.0) as world:
        working = asyncio.ensure_future(world.worker(*queues).run())
        await world.clock.sleep(1)
        for number in range(3):
            await world.client.start(world.flow, run_id=f"r{number}")
        for _ in range(passes):
            await asyncio.sleep(0)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        assert (await world.depth()).in_flight == 0


async def test_what_the_first_queue_has_given_is_begun_while_the_second_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with a_world(monkeypatch, step_takes=15.0) as world:
        world.gpu_takes = 40.0
        await world.client.start(world.flow, run_id="r")
        first, second = world.worker("default", "gpu"), world.worker("default")
        working = [asyncio.ensure_future(first.run())]
        await world.clock.sleep(1)
        working.append(asyncio.ensure_future(second.run()))
        assert (await world.client.wait("r", timeout=600)).status == "completed"
        await world.clock.sleep(100)
        first.stop()
        second.stop()
        await asyncio.gather(*working)
        assert world.begun == [0.0]


@pytest.mark.parametrize("error", [BackendError("there is no such queue"), TransientError("it is away")])
async def test_a_queue_that_fails_rests_alone(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    async with a_world(monkeypatch) as world:
        worker = world.worker("default", "gpu")
        working = asyncio.ensure_future(worker.run())
        await world.clock.sleep(60)
        world.gpu_fails = error
        took: list[float] = []
        for number in range(12):
            await world.clock.sleep(100 + 7.3 * number)
            began = world.clock.now()
            await world.client.start(world.flow, run_id=f"r{number}")
            assert (await world.client.wait(f"r{number}", timeout=600)).status == "completed"
            took.append(world.begun[-1] - (began - 1_000_000_000.0))
        assert max(took) < 0.5
        world.gpu_fails = None
        began = world.clock.now()
        await world.client.start(world.flow, run_id="last", queue="gpu")
        assert (await world.client.wait("last", timeout=600)).status == "completed"
        assert world.clock.now() - began < 40
        worker.stop()
        await working


async def test_a_queue_that_was_never_there_ends_the_worker_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_world(monkeypatch) as world:
        world.gpu_fails = BackendError("there is no such queue")
        with pytest.raises(BackendError, match="no such queue"):
            await world.worker("default", "gpu").run()


async def test_acknowledgements_that_are_cut_off_by_a_stop_are_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_world(monkeypatch) as world:
        world.acknowledging_takes = 0.1
        await world.client.start(world.flow, run_id="r")
        worker = world.worker("default")
        working = asyncio.ensure_future(worker.run())
        await world.clock.sleep(0.05)
        assert (await world.client.status("r")).state == "completed"
        worker.stop()
        await working
        assert await world.depth() == QueueDepth(visible=0, in_flight=0, delayed=0)
