"""The clauses of a whole backend on what programs look at, when, and how often; and on their settings."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from typing import Any

import pytest
from flowcraft_core import FlowRuntime, SyncNodeContext, create_flow
from flowcraft_core.durable import Client, Reconciler, Settings
from flowcraft_core.durable.signals import CHECK_AFTER
from flowcraft_core.errors import SerializationError
from flowcraft_core.events import Event
from flowcraft_core.ports import Fact

from .interposed import Call
from .programs import Context, ProgramClauses, Steps
from .starting import chain, resumable


class PlainStep:
    """A plain step that works until it is told that this is of no use any more, or for a few seconds of real time.

    Attributes:
        begun: Set once it works.
        ended: Set once it does not any more.
        was_told: Whether it was told.
    """

    def __init__(self) -> None:
        self.begun, self.ended, self.was_told = asyncio.Event(), asyncio.Event(), False
        self._tell = asyncio.get_running_loop().call_soon_threadsafe

    def work(self, ctx: SyncNodeContext[Any, Any]) -> None:
        """The step."""
        self._tell(self.begun.set)
        pause = threading.Event()
        for _ in range(60_000):
            if ctx.cancelled:
                self.was_told = True
                break
            pause.wait(0.001)
        self._tell(self.ended.set)


class MindingClauses(ProgramClauses):
    """What a ``Backend`` promises of programs that mind time, one another, and what they were told."""

    async def test_a_plain_step_is_told_when_its_run_is_cancelled(self) -> None:
        """It runs in a thread, which nobody can end: it sees by its context that its result is of no use any more."""
        step = PlainStep()
        flow = create_flow("threaded").node("a", step.work)
        async with self.programs(flow, reconcile=False) as here:
            await here.hire()
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            await step.begun.wait()
            assert await here.client.cancel(run_id)
            await step.ended.wait()
            assert step.was_told, "the run was cancelled, and its step was not told"

    async def test_a_plain_step_is_told_when_the_time_of_grace_is_over(self) -> None:
        """Its worker stops: it is told once its time is up, and not before."""
        step = PlainStep()
        flow = create_flow("graced").node("a", step.work)
        async with self.programs(flow, reconcile=False) as here:
            await here.hire(grace=self.beat)
            await here.client.start(flow)
            await step.begun.wait()
            began = self.now()
            await here.leave()
            assert self.now() - began >= self.beat
            await step.ended.wait()
            assert step.was_told, "the worker has stopped, and its step was not told"

    async def test_a_purge_by_age_goes_by_the_time_of_the_end(self) -> None:
        """A run that took long and has just ended is young."""
        steps = Steps()
        flow = create_flow("aged").sleep("z", 20 * self.beat).node("a", steps.one).edge("z", "a")
        async with self.programs(flow) as here:
            await here.hire()
            run_id = (await here.run(flow, run_id=self.id("run"))).run_id
            await self.pass_time(2 * self.beat)
            await here.client.purge_older(15 * self.beat)
            assert await here.backend.status.get(run_id) is not None, "it was purged by the time of its start"
            await self.pass_time(20 * self.beat)

            async def is_purged() -> bool:  # an index may lag behind
                await here.client.purge_older(15 * self.beat)
                return await here.backend.status.get(run_id) is None

            await self.until(is_purged, here.patience)

    async def test_a_run_that_cannot_be_read_keeps_no_other_from_being_purged(self) -> None:
        """It is named, with why; and goes if it is said to be damaged."""
        steps = Steps()
        flow = create_flow("aged").node("a", steps.one).node("b", steps.one).edge("a", "b", condition="false")
        async with self.programs(flow) as here:
            await here.hire()
            runs = [(await here.run(flow, run_id=self.id(f"run{number}"))).run_id for number in range(3)]
            for key in ("b", "b:attempt:1"):
                await here.backend.context.put(runs[1], key, Fact(b"w\x00[", "somebody"))
            await self.pass_time(2 * self.beat)
            left: dict[str, str] = {}

            async def are_gone() -> bool:  # an index may lag behind
                left.update((await here.client.purge_older(self.beat)).left)
                return not any([await here.backend.status.get(run_id) for run_id in (runs[0], runs[2])])

            await self.until(are_gone, here.patience)
            assert left.keys() == {runs[1]}
            assert "'b'" in left[runs[1]]
            with pytest.raises(SerializationError):
                await here.client.purge(runs[1])
            await here.client.purge(runs[1], damaged=True)
            assert await here.backend.status.get(runs[1]) is None
            assert not await here.backend.context.get(runs[1], ["a", "b", ":run"])

    async def test_an_event_is_of_an_outcome_that_stands(self) -> None:
        """Two workers execute one step, and one of them loses: only what the facts say is told."""
        told: defaultdict[str, list[Event]] = defaultdict(list)
        begun = 0

        async def both(ctx: Context) -> int:
            nonlocal begun
            begun += 1
            mine, end = begun, self.now() + 5 * self.beat
            while begun < 2 and self.now() < end:
                await self._clock.sleep(self.beat / 100)
            await self._clock.sleep(self.beat / 100 * mine)
            return mine

        flow = create_flow("told").node("a", both)

        async def doubling(operation: str, call: Call) -> Any:
            if operation == "queue.send":
                await call()
            return await call()

        async with self.programs(flow) as here:
            runtime = FlowRuntime([flow], clock=here.clock, events=lambda event: told[event.kind].append(event))
            await here.hire(2, runtime=runtime, concurrency=1, prefetch=0)
            client = Client(await here.connect(doubling, starts=False), flows=[flow], clock=here.clock)
            result = await here.ended((await client.start(flow)).run_id)
            await self.pass_time(5 * self.beat)
            assert result.status == "completed"
            assert len(told["started"]) >= 2, "the step was executed once only"
            assert [event.key for event in told["completed"]] == ["a"]
            assert len(told["ended"]) <= 1

    async def test_a_resume_brings_the_next_look_forward(self) -> None:
        """Whoever resumes may die before the job is sent: a reconciler looks soon, and not after hours."""
        steps = Steps()
        flow = create_flow("resumed").wait("w").node("a", steps.one).edge("w", "a")

        async def losing(operation: str, call: Call) -> Any:
            return None if operation == "queue.send" else await call()

        async with self.programs(flow, reconcile=False) as here:
            await here.hire()
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            await resumable(here, run_id)
            await here.backend.status.touch(run_id, at=self.now(), next_check=self.now() + 86_400.0)
            await Client(await here.connect(losing), flows=[flow], clock=here.clock).resume(run_id, "w", output=1)
            due = (await here.client.status(run_id)).next_check
            assert due is not None
            assert due <= self.now() + CHECK_AFTER + self.beat, "nobody looks at the run for a long time"

    async def test_a_deadline_is_seen_by_the_worker_of_a_long_step(self) -> None:
        """The step is told, and the run fails with the reason, though the step would go on."""
        told = asyncio.Event()

        async def long(ctx: Context) -> None:
            try:
                await self._clock.sleep(100 * self.beat)
            except asyncio.CancelledError:
                told.set()
                raise

        flow = create_flow("slow").node("a", long)
        async with self.programs(flow, reconcile=False) as here:
            await here.hire()
            began = self.now()
            result = await here.run(flow, timeout=5 * self.beat)
            assert (result.status, "timeout" in str(result.reason)) == ("failed", True)
            assert 5 * self.beat <= self.now() - began < 50 * self.beat
            await self.until(lambda: _is(told), here.patience)

    async def test_a_deadline_is_seen_by_a_reconciler_when_it_is_there(self) -> None:
        """Of a run at which nobody works: the look is due at the deadline, not after it."""
        steps = Steps()
        flow = create_flow("left").wait("w").node("a", steps.one).edge("w", "a")
        async with self.programs(flow, reconcile=False) as here:
            await here.hire()
            limit = 3 * self.beat
            await here.client.start(flow, run_id=(run_id := self.id("run")), timeout=limit)
            due = (await here.client.status(run_id)).next_check
            assert due is not None
            assert due <= self.now() + limit
            await self.pass_time(limit + self.beat)
            reconciler = await here.reconciler()

            async def has_failed() -> bool:
                await reconciler.run_once()
                return (await here.client.status(run_id)).state == "failed"

            await self.until(has_failed, here.patience)
            assert "timeout" in str((await here.client.status(run_id)).reason)

    async def test_the_pauses_of_a_job_that_is_passed_on_grow(self) -> None:
        """A worker that lacks its step must not spend the time until one comes that has it on sending it round."""
        steps = Steps()
        flow, other = chain(steps, 1, "wanted"), chain(steps, 1, "another")
        pauses: list[float] = []

        async def noting(operation: str, call: Call) -> Any:
            if operation == "queue.send":
                pauses.append(call.keywords.get("delay", 0.0))
            return await call()

        async with self.programs(flow, reconcile=False) as here:
            await here.hire(around=noting, runtime=FlowRuntime([other], clock=here.clock))
            await here.client.start(flow)
            await self.until(lambda: _is(len(pauses) >= 5), here.patience)
            assert pauses == sorted(pauses)
            assert pauses[4] >= 5 * pauses[0] > 0, f"the pauses are {pauses}"

    async def test_one_reconciler_looks_at_a_time(self) -> None:
        """Every worker has one: of many, one makes each round, or looking would cost the more the more there are."""
        looks = 0

        async def noting(operation: str, call: Call) -> Any:
            nonlocal looks
            looks += operation == "status.find"
            return await call()

        steps = Steps()
        async with self.programs(chain(steps)) as here:
            await here.hire(4, around=noting)
            await self.pass_time(25 * self.beat)
            # A round asks for two states, every quarter of ten beats, and another one where two are late.
            assert 2 <= looks <= 2 * 2 * (25 / 2.5 + 1), f"four reconcilers have asked {looks} times"

    async def test_what_is_queued_already_is_not_sent_early(self) -> None:
        """The job of a sleep lies in the queue with its delay: a reconciler that looks meanwhile leaves it there."""
        steps = Steps()
        async with self.connect() as backend:
            seconds = min(8 * self.beat, backend.queue.limits.max_delay * 0.9)  # beyond it the job is a reconciler's
        flow = create_flow("queued").sleep("z", seconds).node("a", steps.one).edge("z", "a")
        async with self.programs(flow, reconcile=False) as here:
            await here.hire()
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            await self.until(lambda: _has_fact(here, run_id, "z:suspension"), here.patience)
            await self.pass_time(here.backend.context.limits.staleness)
            sent = 0

            async def noting(operation: str, call: Call) -> Any:
                nonlocal sent
                sent += operation == "queue.send"
                return await call()

            await Reconciler(await here.connect(noting), clock=here.clock).reconcile(run_id)
            assert sent == 0, "a job was sent for a sleep whose job is queued"
            assert (await here.ended(run_id)).status == "completed"

    async def test_a_message_is_held_no_longer_than_was_said(self) -> None:
        """``max_hold``: after so long, a chain goes on under another message."""
        steps = Steps()
        flow = create_flow("held").node("n0", steps.takes(self._clock, self.beat))
        for place in range(1, 6):
            flow.node(f"n{place}", steps.takes(self._clock, self.beat)).edge(f"n{place - 1}", f"n{place}")
        async with self.programs(flow, reconcile=False) as here:
            await here.hire(settings=Settings(max_hold=1.5 * self.beat), visibility=60 * self.beat)
            assert (await here.run(flow)).status == "completed"
            # Two steps fit in, the one that goes beyond the time included.
            assert 2 <= here.calls["queue.send"] <= 5, f"a chain of six went on under {here.calls['queue.send']} more"

    async def test_no_more_is_held_than_was_said(self) -> None:
        """``concurrency`` and ``prefetch``: what a worker holds beyond that, others could do."""
        steps, most, asked = Steps(), 0, 0
        flow = create_flow("taken").node("src", steps.gives(list(range(12))))
        flow.batch("each", steps.takes(self._clock, 3 * self.beat)).edge("src", "each")
        held: set[str] = set()

        async def noting(operation: str, call: Call) -> Any:
            nonlocal most, asked
            answer = await call()
            if operation == "queue.receive":
                asked = max(asked, call.keywords["max_messages"])
                held.update(delivery.body for delivery in answer)
                most = max(most, len(held))
            elif operation == "queue.acknowledge":
                held.difference_update(delivery.body for delivery in call.args[0])
            return answer

        async with self.programs(flow, reconcile=False) as here:
            await here.hire(around=noting, concurrency=2, prefetch=3, visibility=60 * self.beat)
            assert (await here.run(flow)).status == "completed"
            assert asked == 5, f"a worker with room for two and three in reserve has asked for {asked}"
            # What is done is acknowledged a moment later.
            assert most <= 7, f"two at work and three in reserve were {most} at a time"


async def _is(thing: object) -> bool:
    return thing.is_set() if isinstance(thing, asyncio.Event) else bool(thing)


async def _has_fact(here: Any, run_id: str, key: str) -> bool:
    return bool(await here.backend.context.get(run_id, [key]))
