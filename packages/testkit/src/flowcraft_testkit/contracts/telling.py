"""The clauses of a whole backend on what the engine logs while it works there: each thing once, by name."""

from __future__ import annotations

import logging

from flowcraft_core import FlowRuntime, RetryPolicy, create_flow
from flowcraft_core.errors import TransientError

from .heard import listening
from .interposed import Call
from .programs import Context, ProgramClauses, Steps, is_so
from .starting import resumable


class TellingClauses(ProgramClauses):
    """What whoever operates workers on a ``Backend`` can read in their logs.

    A worker tells of a write once it has its answer, which may be after others have seen what was written: what they
    have told is read once they have left.
    """

    async def test_a_run_is_told_once_when_it_starts_and_once_when_it_ends(self) -> None:
        """By one of all workers, with its flow and how long it took; and nothing else of a run that goes well."""
        steps = Steps()
        flow = create_flow("told").node("a", steps.one).node("b", steps.add).edge("a", "b")
        async with self.programs(flow) as here:
            with listening() as heard:
                await here.hire(2)
                await here.run(flow, run_id=(run_id := self.id("run")))
                await here.leave()
            assert heard.story(run_id) == ["run_started", "run_completed"], "a run's lines are its start and its end"
            ended = heard.one("run_completed", run_id=run_id)
            assert ended.flow == "told"
            assert ended.seconds >= 0

    async def test_a_wait_is_told_when_it_is_reached_and_when_it_is_resumed(self) -> None:
        """Who looks for a run that does not go on finds in the log where it waits; and nothing of it twice."""
        steps = Steps()
        flow = create_flow("asks").node("a", steps.one).wait("w", remind=steps.one, remind_after=self.beat / 2)
        flow.node("b", steps.add).edge("a", "w").edge("w", "b")
        async with self.programs(flow) as here:
            with listening() as heard:
                await here.hire(2)
                await here.client.start(flow, run_id=(run_id := self.id("run")))
                await self.until(lambda: is_so(len(steps.executed) > 2), here.patience)
                await resumable(here, run_id)
                await here.client.resume(run_id, "w", output=1)
                await here.ended(run_id)
                await here.leave()
            assert heard.story(run_id) == ["run_started", "run_awaiting", "run_resumed", "run_completed"]
            awaiting, resumed = heard.one("run_awaiting", run_id=run_id), heard.one("run_resumed", run_id=run_id)
            assert (awaiting.flow, awaiting.waiting) == ("asks", "w")
            assert (awaiting.levelno, resumed.levelno) == (logging.INFO, logging.INFO)

    async def test_a_failed_attempt_is_told_with_its_traceback_and_when_the_next_one_is(self) -> None:
        """Each attempt once: those that are followed by another, and the last; then the run's failure, with why."""
        steps = Steps()
        flow = create_flow("bad").node("x", steps.broken, retries=RetryPolicy(max_attempts=3, delay=self.beat / 10))
        async with self.programs(flow) as here:
            with listening() as heard:
                await here.hire()
                result = await here.run(flow, run_id=(run_id := self.id("run")))
                await here.leave()
            attempts = heard.of("attempt_failed", "node_failed", run_id=run_id)
            assert [(told.event, told.attempt, told.instance) for told in attempts] == [
                ("attempt_failed", 1, "x"),
                ("attempt_failed", 2, "x"),
                ("node_failed", 3, "x"),
            ]
            assert all(told.retry_in > 0 for told in attempts[:2])
            assert all(told.exc_info and isinstance(told.exc_info[1], ValueError) for told in attempts)
            assert [told.levelno for told in attempts] == [logging.WARNING, logging.WARNING, logging.ERROR]
            ended = heard.one("run_failed", run_id=run_id)
            assert ended.levelno == logging.ERROR
            assert ended.reason == result.reason

    async def test_a_fallback_is_told_with_the_error_that_led_to_it(self) -> None:
        """Else a step that never works any more would go unnoticed for as long as its fallback does."""
        steps = Steps()
        flow = create_flow("saved").node("x", steps.broken, fallback="y").node("y", steps.one)
        async with self.programs(flow) as here:
            with listening() as heard:
                await here.hire()
                await here.run(flow, run_id=(run_id := self.id("run")))
                await here.leave()
            told = heard.one("fallback_taken", run_id=run_id)
            assert told.fallback == "y"
            assert told.exc_info is not None
            assert isinstance(told.exc_info[1], ValueError)

    async def test_a_missing_step_is_told_at_once_by_its_node(self) -> None:
        """Whoever waits for the run learns within moments, and not once it is given up, what its workers lack."""

        async def step(ctx: Context) -> None: ...

        old, new = (create_flow("f").node(node_id, step) for node_id in ("c", "d"))
        async with self.programs(old) as here:
            with listening() as heard:
                await here.hire(runtime=FlowRuntime([new], clock=self._clock))
                await here.client.start(old, run_id=(run_id := self.id("run")))
                await self.until(lambda: is_so(heard.of("passed_on", run_id=run_id)))
            told = heard.of("passed_on", run_id=run_id)[0]
            assert (told.node_id, told.levelno) == ("c", logging.WARNING)

    async def test_a_worker_tells_who_it_is_and_that_it_has_stopped(self) -> None:
        """Once each, with its name on all that it says in between."""
        steps = Steps()
        flow = create_flow("told").node("a", steps.one)
        async with self.programs(flow) as here:
            with listening() as heard:
                hand = await here.hire()
                await here.run(flow, run_id=(run_id := self.id("run")))
                hand.worker.stop()
                await hand.task
            started, stopped = heard.one("worker_started"), heard.one("worker_stopped")
            assert "told" in started.flows
            assert started.backend
            assert {told.worker for told in heard.of("run_started", run_id=run_id)} == {started.worker}
            assert stopped.worker == started.worker

    async def test_what_is_no_job_is_told_as_a_dead_letter(self) -> None:
        """With the id by which it can be looked at and sent back."""
        async with self.programs() as here:
            with listening() as heard:
                await here.hire()
                await here.send(f"nonsense {self.id('message')}")
                await self.until(lambda: is_so(heard.of("dead_letter")))
            told = heard.one("dead_letter")

            async def is_listed() -> bool:  # a list may lag behind
                return told.letter in [letter.run_id for letter in await here.client.dead_letters()]

            await self.until(is_listed, here.patience)

    async def test_a_job_that_comes_again_is_told(self) -> None:
        """A worker died, or takes too long: who looks at the log of another one finds that out."""
        steps = Steps()
        flow = create_flow("again").node("a", steps.one)
        async with self.programs(flow, reconcile=False) as here:
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            await here.hire_until("context.put", when="before")
            with listening() as heard:
                await here.hire()
                await here.ended(run_id)
                await here.leave()
            told = heard.of("redelivered", run_id=run_id)
            assert told
            assert told[0].deliveries >= 2

    async def test_a_revived_run_is_told(self) -> None:
        """Messages that get lost are the backend's trouble, and no run's: nobody else tells of them."""
        steps = Steps()
        flow = create_flow("lost").node("a", steps.one)
        async with self.programs(flow, reconcile=False) as here:
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            await self.lose_messages(here)
            await self.pass_time(here.backend.context.limits.staleness)
            with listening() as heard:
                await (await here.reconciler()).reconcile(run_id)
            told = heard.one("revived", run_id=run_id)
            assert (told.instance, told.jobs, told.revivals) == ("a", 1, 1)

    async def test_calls_that_are_refused_are_told_rarely_and_counted(self) -> None:
        """A line for each refusal would bury everything else, and none would hide that the backend is too small."""
        steps = Steps()
        flow = create_flow("slow").node("a", steps.one)
        refused = 0

        async def around(operation: str, call: Call) -> object:
            nonlocal refused
            if operation == "context.put" and refused < 4:
                refused += 1
                raise TransientError("slow down")
            return await call()

        async with self.programs(flow) as here:
            with listening() as heard:
                await here.hire(around=around)
                await here.run(flow)
                await here.leave()
            told = heard.of("throttled", operation="context.put")
            assert [record.times for record in told][:1] == [1]
            assert len(told) <= 2, "four refusals within moments are one line"
