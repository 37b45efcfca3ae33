"""What is sent again, and how often; and what a worker says, so that nothing is that it is at."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from flowcraft_core import FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client, Reconciler
from flowcraft_core.durable.signals import taken_key
from flowcraft_core.jobs import decode_job, encode_job
from flowcraft_core.ports import Backend, Message
from flowcraft_testkit import VirtualClock

from .flows import chain, one
from .helpers import Place, place, working, world

pytestmark = pytest.mark.usefixtures("quiet")


class _Long:
    """A step that takes long."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.flow = create_flow("long").node("s", self.step)
        self.clock = VirtualClock()

    async def step(self, ctx: Any) -> int:
        self.begun.append(ctx.run_id)
        await self.clock.sleep(700)
        return 1

    async def begin(self, here: Place) -> None:
        self.clock = here.clock
        await here.client.start(self.flow, run_id="run")

    async def send(self, here: Place, **fields: Any) -> None:
        """Send one more job for the step."""
        record = await here.client._runs.get("run")
        assert record is not None
        job = record.job("s", here.clock.now(), **fields)
        await here.backend.queue.send([Message(encode_job(job), "run")])


@pytest.mark.parametrize("lost", [True, False])
async def test_what_nobody_takes_is_sent_again_ever_more_rarely_and_fails_no_run(lost: bool) -> None:
    ready = chain()
    due = create_flow("due").sleep("z", "10m").node("s", one).edge("z", "s")
    far = create_flow("far").sleep("z", "5h").node("s", one).edge("z", "s")
    async with place(ready, due, far, weaknesses=None) as here:
        await here.client.start(ready, run_id="ready")
        async with here.working(reconcile=False):
            await here.client.start(due, run_id="due")
            await here.client.start(far, run_id="far")
            await here.clock.sleep(30)
        here.backend.lose_messages()
        await here.client.start(ready, run_id="later")
        sent: list[str] = []
        connection = here.backend.connect()
        await connection.open()
        _note(connection, sent)
        reconciler = Reconciler(connection, clock=here.clock, revivals=2)
        for _ in range(24 * 60):
            await reconciler.run_once()
            await here.clock.sleep(60)
            if lost:
                here.backend.lose_messages()
        assert 15 <= max(Counter(sent).values()) <= 31, "a minute after the first one, and in the end each hour"
        for run_id in ("due", "far", "later"):
            assert (await here.client.status(run_id)).state in ("running", "awaiting")
        async with here.working():
            for run_id in ("ready", "due", "far", "later"):
                assert (await here.client.wait(run_id, timeout=8_000)).status == "completed"


def _note(backend: Backend, sent: list[str]) -> None:
    """Note of which runs messages are sent."""
    send = backend.queue.send

    async def noting(messages: Sequence[Message], **options: Any) -> None:
        sent.extend(decode_job(message.body).run_id for message in messages)
        await send(messages, **options)

    backend.queue.send = noting  # type: ignore[method-assign]


async def test_an_undo_that_nobody_takes_is_not_given_up() -> None:
    undone: list[str] = []

    async def undo(ctx: NodeContext) -> None:
        undone.append("a")

    flow = create_flow("booked").node("a", one, undo=undo).wait("w").edge("a", "w")
    async with place(flow) as here:
        async with here.working(reconcile=False):
            await here.client.start(flow, run_id="run")
            await here.clock.sleep(30)
        await here.client.cancel("run")
        reconciler = Reconciler(here.backend, clock=here.clock, revivals=2)
        for _ in range(24 * 60):
            await reconciler.run_once()
            await here.clock.sleep(60)
        assert not undone
        async with here.working():
            result = await here.client.wait("run", timeout=8_000)
        assert (result.status, undone) == ("cancelled", ["a"])
        assert "revived" not in (result.reason or "")


async def test_a_second_job_for_what_a_worker_is_at_is_one_too_many() -> None:
    long = _Long()
    async with place(long.flow) as here, here.working(reconcile=False):
        await long.begin(here)
        await here.clock.sleep(60)
        assert (await Reconciler(here.backend, clock=here.clock).reconcile("run")).revived == 0
        await long.send(here, revival="again")
        assert (await here.client.wait("run", timeout=8_000)).status == "completed"
        assert long.begun == ["run"]


async def test_whoever_takes_what_was_sent_again_notes_it_and_nobody_else_does() -> None:
    async with place(flow := chain()) as here:
        await here.client.start(flow, run_id="run")
        record = await here.client._runs.get("run")
        assert record is not None
        here.backend.lose_messages()
        job = record.job("n0", here.clock.now(), revival="again")
        await here.backend.queue.send([Message(encode_job(job), "run")])
        async with here.working(reconcile=False):
            assert (await here.client.wait("run", timeout=8_000)).status == "completed"
        assert await here.backend.coordination.get(taken_key(record, "again")) is not None
        assert await here.backend.coordination.get(taken_key(record, "")) is None


@pytest.mark.parametrize("visibility", [30.0, 240.0, 3600.0])
async def test_a_long_step_runs_once_whatever_the_visibility(visibility: float) -> None:
    long = _Long()
    async with place(long.flow) as here, here.working(number=2, visibility=visibility):
        await long.begin(here)
        await here.clock.sleep(200)
        await long.send(here, hops=1)
        assert (await here.client.wait("run", timeout=8_000)).status == "completed"
        assert long.begun == ["run"]


async def test_a_sleep_is_woken_also_where_looks_are_further_apart_than_delays_reach() -> None:
    flow = create_flow("far").sleep("z", "20h").node("s", one).edge("z", "s")
    async with place(flow) as here, here.working(reconcile=False):
        began = here.clock.now()
        await here.client.start(flow, run_id="run")
        reconciler, errors = Reconciler(here.backend, clock=here.clock, interval=3600.0), 0
        while (await here.client.status("run")).state != "completed":
            errors += (await reconciler.run_once()).errors
            await here.clock.sleep(300)
        assert (errors, here.clock.now() - began < 21 * 3600) == (0, True)


async def test_a_worker_whose_clock_is_set_back_begins_nothing_of_a_cancelled_run() -> None:
    begun: list[int] = []
    clock = VirtualClock()

    class SetBack:
        """The worker's clock: the time of day of its machine, which may be set; and seconds that pass."""

        back = 0.0

        def now(self) -> float:
            return clock.now() - self.back

        def monotonic(self) -> float:
            return clock.now()

        async def sleep(self, seconds: float) -> None:
            await clock.sleep(seconds)

    async def step(ctx: Any) -> None:
        begun.append(ctx.input)
        await clock.sleep(2)

    async def items(ctx: Any) -> list[int]:
        return list(range(200))

    flow = create_flow("many").node("items", items).batch("b", step).edge("items", "b")
    own = SetBack()
    async with world(clock) as backend:
        client = Client(backend, flows=[flow], clock=clock)
        stop = asyncio.Event()
        reconciling = asyncio.ensure_future(Reconciler(backend, clock=clock).run(stop))
        options: dict[str, Any] = {"concurrency": 2, "prefetch": 0, "reconcile": False}
        async with working(backend, FlowRuntime([flow], clock=own), **options):
            await client.start(flow, run_id="run")
            await clock.sleep(20)
            own.back = 3600
            await clock.sleep(10)
            before = len(begun)
            await client.cancel("run")
            await clock.sleep(200)
        stop.set()
        await reconciling
        assert before > 20
        assert len(begun) - before <= 4
