"""From which queue a worker takes what, and how often it asks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from flowcraft_core import ConfigurationError, FlowRuntime, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_core.durable.intake import Intake, Served
from flowcraft_core.errors import TransientError, UnknownQueueError
from flowcraft_core.ports import Delivery
from flowcraft_testkit import InMemoryBackend, VirtualClock, Weaknesses
from flowcraft_testkit.memory import CLOUD_QUEUE

from .flows import one
from .helpers import working


class Queue:
    """Has messages, or fails; notes how it is asked."""

    limits = CLOUD_QUEUE

    def __init__(self, clock: VirtualClock, *bodies: str, fails: bool = False) -> None:
        self.clock, self.bodies, self.fails = clock, list(bodies), fails
        self.asked: list[tuple[int, float]] = []

    async def receive(self, *, max_messages: int, wait: float, visibility: float) -> Sequence[Delivery]:
        self.asked.append((max_messages, wait))
        if self.fails:
            raise TransientError("it is away")
        if not self.bodies:
            await self.clock.sleep(wait)
        most = min(max_messages, self.limits.max_receive)
        taken, self.bodies = self.bodies[:most], self.bodies[most:]
        return [Delivery(body, 1, None) for body in taken]


class Taking:
    """An intake, and what it has handed on."""

    def __init__(self, *queues: Queue) -> None:
        self.taken: list[str] = []
        self.failed: list[Exception] = []
        served: Any = [Served(f"q{place}", queue) for place, queue in enumerate(queues)]  # type: ignore[arg-type]
        self.intake = Intake(
            served, 10.0, 60.0, self._take, self.failed.append, lambda: None, sleep=queues[0].clock.sleep
        )

    def _take(self, received: Sequence[Any]) -> None:
        self.taken += [each.delivery.body for each in received]

    async def receive(self, room: int) -> list[str]:
        before = len(self.taken)
        assert await self.intake.receive(room) == len(self.taken) - before
        return self.taken[before:]

    async def end(self) -> list[str]:
        return [each.delivery.body for each in await self.intake.end()]


async def test_one_queue_is_asked_once_per_wait() -> None:
    clock = VirtualClock()
    queue = Queue(clock, "a")
    taking = Taking(queue)
    assert (await taking.receive(5), await taking.receive(4)) == (["a"], [])
    assert queue.asked == [(5, 10.0), (4, 10.0)]


class SlowQueue(Queue):
    """Likewise; each answer takes a second to come."""

    async def receive(self, *, max_messages: int, wait: float, visibility: float) -> Sequence[Delivery]:
        brought = await super().receive(max_messages=max_messages, wait=wait, visibility=visibility)
        await self.clock.sleep(1.0)
        return brought


async def test_what_a_receive_cannot_bring_alone_is_asked_for_several_times_at_once() -> None:
    clock = VirtualClock()
    queue = SlowQueue(clock, *map(str, range(200)))
    taking = Taking(queue)
    began, found = clock.now(), list[str]()
    while len(found) < 200:
        found += await taking.receive(1_000)
    assert sorted(found, key=int) == [str(number) for number in range(200)]
    assert clock.now() - began <= 6.0  # one after the other they take 20 s
    began, asked = clock.now(), len(queue.asked)
    for _ in range(30):
        await taking.receive(1_000)
    # What was under way ends, and then it is asked once in a wait, as before.
    assert len(queue.asked) - asked <= 30
    assert clock.now() - began >= 20 * 10.0
    assert len(await taking.end()) == 0


async def test_receives_at_once_bring_no_more_than_there_is_room_for() -> None:
    clock = VirtualClock()
    queue = SlowQueue(clock, *map(str, range(300)))
    taking = Taking(queue)
    held = 0
    while held < 45:
        held += len(await taking.receive(45 - held))
    assert held + len(await taking.end()) == 45


async def test_of_several_the_first_comes_first_and_the_others_have_what_room_is_left() -> None:
    clock = VirtualClock()
    first, second = Queue(clock, "a1", "a2"), Queue(clock, "b1", "b2", "b3")
    taking = Taking(first, second)
    assert await taking.receive(4) == ["a1", "a2", "b1", "b2"]
    first.bodies = ["a3"]
    assert await taking.receive(1) == ["a3"]
    assert [wait for _, wait in first.asked + second.asked] == [0.0, 0.0, 0.0]


async def test_idle_queues_are_waited_for_side_by_side_and_asked_once_per_wait() -> None:
    clock = VirtualClock()
    first, second = Queue(clock), Queue(clock)
    taking = Taking(first, second)
    began = clock.now()
    for _ in range(6):
        await taking.receive(8)
    assert clock.now() - began <= 60
    for queue in (first, second):  # after the first look each is waited for, with its share of the room
        assert queue.asked[0] == (8, 0.0)
        assert set(queue.asked[1:]) == {(4, 10.0)}
        assert len(queue.asked) <= 8


async def test_a_queue_that_is_away_does_not_hide_the_others() -> None:
    clock = VirtualClock()
    first, second = Queue(clock, fails=True), Queue(clock, "b1")
    taking = Taking(first, second)
    assert await taking.receive(4) == ["b1"]
    assert [str(error) for error in taking.failed] == ["it is away"]
    with pytest.raises(TransientError):
        await Taking(Queue(clock, fails=True), Queue(clock)).receive(4)


async def test_what_waits_bring_is_given_at_the_end_and_needs_no_room() -> None:
    clock = VirtualClock()
    first, second = Queue(clock), Queue(clock)
    taking = Taking(first, second)
    waiting = asyncio.ensure_future(taking.receive(4))
    await clock.sleep(1.0)
    second.bodies = ["late"]  # its wait is under way, and brings it at its end
    found = await waiting
    await clock.sleep(1.0)
    assert found + await taking.receive(0) + await taking.end() == ["late"]


@pytest.mark.parametrize("queues", ["gpu", [], ["a b"], ["gpu", "gpu"]])
def test_what_is_no_list_of_names_is_refused(queues: Any) -> None:
    with pytest.raises(ConfigurationError, match="Worker: queues"):
        Worker(InMemoryBackend(), FlowRuntime([]), queues=queues)


async def test_a_backend_with_one_queue_refuses_others_before_a_run_begins() -> None:
    clock = VirtualClock()
    gpu = create_flow("gpu").node("a", one, queue="gpu")
    plain = create_flow("plain").node("a", one, queue="default")
    async with InMemoryBackend(clock=clock, weaknesses=Weaknesses(single=True)) as backend:
        client = Client(backend, flows=[gpu, plain], clock=clock)
        with pytest.raises(UnknownQueueError, match=r"node 'a' of flow 'gpu' names the queue 'gpu': .* one queue only"):
            await client.start("gpu", run_id="run")
        with pytest.raises(UnknownQueueError, match="the run names the queue 'urgent'"):
            await client.start("plain", run_id="run", queue="urgent")
        with pytest.raises(UnknownQueueError, match="there is no queue 'gpu'"):
            Worker(backend, FlowRuntime([gpu]), queues=["gpu"])
        assert await backend.status.get("run") is None
        assert [queue.name for queue in await client.queues()] == ["default"]
        async with working(backend, FlowRuntime([plain], clock=clock)):
            await client.start("plain", run_id="run")
            assert (await client.wait("run", timeout=600)).status == "completed"


async def test_a_worker_that_does_not_know_a_queue_passes_the_job_on_to_one_that_does() -> None:
    clock = VirtualClock()
    flow = create_flow("f").node("a", one).node("b", one, queue="gpu").edge("a", "b")
    async with InMemoryBackend(clock=clock) as backend:
        runtime = FlowRuntime([flow], clock=clock)
        await Client(backend, flows=[flow], clock=clock).start("f", run_id="run")
        lacking = backend.connect()
        lacking.queues = None
        async with lacking:
            worker = Worker(lacking, runtime, poll=5, reconcile=False)
            task = asyncio.ensure_future(worker.run())
            await clock.sleep(30)
            worker.stop()
            await task
        async with working(backend, runtime, queues=("default", "gpu"), reconcile=False):
            result = await Client(backend, clock=clock).wait("run", timeout=600)
        assert (result.status, result.steps) == ("completed", 2)
