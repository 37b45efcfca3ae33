"""The clauses of a whole backend on waiting, time, retries and cancellation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from flowcraft_core import ResumeError, RetryPolicy, create_flow

from .clauses import needs
from .programs import Context, ProgramClauses, Programs, Steps
from .starting import resumable


class WaitingClauses(ProgramClauses):
    """What a ``Backend`` promises of runs that wait, sleep, try again, or are cancelled."""

    async def test_a_run_that_waits_for_somebody_says_so_soon(self) -> None:
        """Also if its wait has a timeout: within a look or two of the reconciler, and not a minute later."""
        flow = create_flow("asks").wait("w", timeout=100 * self.beat)
        async with self.programs(flow, reconcile_interval=2 * self.beat) as here:
            await here.hire()
            run_id = (await here.client.start(flow)).run_id

            async def is_awaiting() -> bool:
                return (await here.client.status(run_id)).state == "awaiting"

            await self.until(is_awaiting, 20 * self.beat)

    async def test_a_resume_takes_the_branch_of_its_action(self) -> None:
        """Only that branch runs, with the output that the resume brings."""
        steps = Steps()
        flow = create_flow("approval").node("a", steps.one).wait("w").node("pay", steps.add).node("refund", steps.add)
        flow.edge("a", "w").edge("w", "pay", action="approve").edge("w", "refund", action="reject")
        async with self.programs(flow) as here:
            await here.hire(2)
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            await resumable(here, run_id)
            await here.client.resume(run_id, "w", output=41, action="approve")
            result = await here.ended(run_id)
            assert (result.status, result.outputs) == ("completed", {"a": 1, "w": 41, "pay": 42})
            assert steps.executed == ["a", "pay"]

    async def test_of_racing_resumes_one_stands(self) -> None:
        """Two people answer at once, each with a client of his own: one is told that he came second."""
        steps = Steps()
        flow = create_flow("asked").wait("w").node("b", steps.takes(self._clock, 10 * self.beat)).edge("w", "b")
        async with self.programs(flow) as here, self.programs(flow) as there:
            await here.hire(2)
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            await resumable(here, run_id)

            async def answer(client: Any, number: int) -> str | None:
                try:
                    await client.resume(run_id, "w", output=number)
                except ResumeError as error:
                    return str(error)
                return None

            clients = [here.client, there.client] * 3
            answers = await self.race(answer(client, number) for number, client in enumerate(clients))
            assert answers.count(None) == 1
            assert all("resolved already" in said for said in answers if said is not None)
            assert (await here.ended(run_id)).outputs["w"] == answers.index(None)

    async def test_a_wait_is_resumed_only_once_it_is_reached(self) -> None:
        """An answer that comes too early is refused, and one that comes after the end as well."""
        steps = Steps()
        flow = create_flow("early").node("a", steps.one).wait("w").edge("a", "w")
        async with self.programs(flow) as here:
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            with pytest.raises(ResumeError, match="not reached"):
                await here.client.resume(run_id, "w", output=1)
            await here.hire()
            await resumable(here, run_id)
            with pytest.raises(ResumeError, match="nowhere"):
                await here.client.resume(run_id, "nowhere", output=2)
            await here.client.resume(run_id, "w", output=3)
            assert (await here.ended(run_id)).outputs == {"a": 1, "w": 3}
            with pytest.raises(ResumeError, match="completed"):
                await here.client.resume(run_id, "w", output=4)

    async def test_waits_in_parallel_are_resumed_in_any_order(self) -> None:
        """Also one that is inside a subflow inside a batch."""
        steps = Steps()
        inner = create_flow("page").wait("w").node("y", steps.add).edge("w", "y")
        flow = create_flow("many").node("src", steps.gives([1, 2])).batch("pages", inner).edge("src", "pages")
        async with self.programs(flow) as here:
            await here.hire(2)
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            await resumable(here, run_id)
            for index in (1, 0):
                await here.client.resume(run_id, f"pages[{index}].w", output=index)
            assert (await here.ended(run_id)).outputs["pages"] == [1, 2]

    async def test_a_wait_that_nobody_answers_takes_its_timeout(self) -> None:
        """By the branch of that action, once."""
        steps = Steps()
        flow = create_flow("patient").wait("w", timeout=4 * self.beat).node("b", steps.one).node("late", steps.one)
        flow.edge("w", "late", action="timeout").edge("w", "b", action="approve")
        async with self.programs(flow) as here:
            await here.hire()
            began = self.now()
            result = await here.run(flow)
            assert (result.status, result.outputs) == ("completed", {"w": None, "late": 1})
            assert self.now() - began >= 4 * self.beat

    async def test_a_sleep_ends_at_its_time_also_when_every_message_is_lost(self) -> None:
        """The due time is a fact: whoever looks at the facts sends the job that was lost."""
        steps = Steps()
        flow = create_flow("sleep").node("a", steps.one).sleep("z", 10 * self.beat).node("b", steps.add)
        flow.edge("a", "z").edge("z", "b")
        async with self.programs(flow) as here:
            worker = await here.hire()
            began = self.now()
            assert (await here.run(flow)).outputs == {"a": 1, "z": 1, "b": 2}
            assert self.now() - began >= 10 * self.beat
            await here.kill(worker)

            async def losing(operation: str, call: Any) -> Any:
                return None if operation == "queue.send" else await call()

            run_id = self.id("run")
            await here.client.start(flow, run_id=run_id)
            began = self.now()
            loser = await here.hire(around=losing)
            await self._suspended(here, run_id, "z", revive=True)
            await here.kill(loser)
            await here.hire()
            await self.pass_time(3 * self.beat)
            assert steps.count("b") == 1
            await self._until_ended(here, run_id)
            result = await here.ended(run_id)
            assert (result.status, result.outputs, steps.count("b")) == ("completed", {"a": 1, "z": 1, "b": 2}, 2)
            assert self.now() - began >= 10 * self.beat

    async def _suspended(self, here: Programs, run_id: str, key: str, *, revive: bool = False) -> None:
        reconciler = await here.reconciler()

        async def is_suspended() -> bool:
            if revive:  # what is passed on for a stale read is lost here too
                await reconciler.reconcile(run_id)
                await self.pass_time(self.beat)
            return bool(await here.backend.context.get(run_id, [f"{key}:suspension"]))

        await self.until(is_suspended, here.patience)

    async def _until_ended(self, here: Programs, run_id: str) -> None:
        """Have a reconciler look at what is due, again and again, as one does in every worker."""
        reconciler = await here.reconciler()

        async def has_ended() -> bool:
            await reconciler.run_once()
            return (await here.client.status(run_id)).state in ("completed", "failed")

        pause, end = self.beat, self.now() + here.patience
        while not await has_ended():
            assert self.now() < end, f"the run {run_id!r} does not end"
            await self.pass_time(pause)

    @needs("skips_time")
    async def test_a_sleep_of_forty_days_survives_every_restart(self) -> None:
        """Beyond the queue's longest delay the due time is a fact; a reconciler sends the job when it is near."""
        steps = Steps()
        flow = create_flow("long").node("a", steps.one).sleep("z", "40d").node("b", steps.add)
        flow.edge("a", "z").edge("z", "b")
        run_id, day = self.id("run"), 86_400.0
        async with self.programs(flow, reconcile=False) as here:
            await here.hire()
            await here.client.start(flow, run_id=run_id)
            await self._suspended(here, run_id, "z")
            await here.leave()
        for days, executed in ((39, ["a"]), (1, ["a", "b"])):
            await self.skip_time(days * day)
            async with self.programs(flow, reconcile=False) as here:
                await here.hire()
                await (await here.reconciler()).reconcile(run_id)
                if executed == ["a", "b"]:
                    assert (await here.ended(run_id)).outputs == {"a": 1, "z": 1, "b": 2}
                else:
                    await self.pass_time(6 * self.beat)
                await here.leave()
            # The day before it was due a job may have been sent already: then two of them meet, and one outcome stands.
            assert list(dict.fromkeys(steps.executed)) == executed

    async def test_retries_are_spaced_and_outlive_their_worker(self) -> None:
        """Each attempt is counted by a fact, and the next one comes as a delayed job, on whichever worker is there."""
        at: list[tuple[int, float]] = []

        async def third_time(ctx: Context) -> int:
            at.append((ctx.attempt, self.now()))
            if ctx.attempt < 3:
                raise ValueError(f"attempt {ctx.attempt}")
            return ctx.attempt

        policy = RetryPolicy(max_attempts=3, delay=4 * self.beat, backoff=1.0, jitter=0.0)
        flow = create_flow("again").node("a", third_time, retries=policy)
        async with self.programs(flow) as here:
            run_id = (await here.client.start(flow)).run_id
            await here.hire_until("queue.send", when="before")  # it has suspended the first attempt, and told nobody
            await here.hire()
            result = await here.ended(run_id)
            assert (result.status, result.outputs) == ("completed", {"a": 3})
            first = dict(reversed(at))  # an attempt may be made twice, none early
            assert sorted(first) == [1, 2, 3]
            assert [attempt for attempt, _ in at].count(1) == 1
            assert first[2] - first[1] >= 4 * self.beat
            assert first[3] - first[2] >= 4 * self.beat

    async def test_a_fallback_is_used_once_and_only_after_the_failure(self) -> None:
        """Its output flows where the primary's would; where the primary succeeds it never runs."""
        steps = Steps()
        flows = []
        for flow_id, primary in (("needed", steps.broken), ("unneeded", steps.add)):
            flow = create_flow(flow_id).node("a", steps.one).node("b", primary, fallback="stand_in")
            flow.node("stand_in", steps.gives(flow_id)).node("c", steps.echo).edge("a", "b").edge("b", "c")
            flows.append(flow)
        async with self.programs(*flows) as here:
            await here.hire(2)
            needed, unneeded = [await here.run(flow) for flow in flows]
            assert (needed.status, needed.outputs["b"], needed.outputs["c"]) == ("completed", "needed", "needed")
            assert (unneeded.outputs["b"], unneeded.outputs["c"]) == (2, 2)

    # --- cancelling ---

    async def test_a_cancelled_run_starts_nothing_new(self) -> None:
        """A step under way is told, wherever it runs; cancelled once; nothing follows."""
        steps, told = Steps(), asyncio.Event()

        async def long(ctx: Context) -> None:
            steps.executed.append(ctx.key)
            try:
                await self._clock.sleep(100 * self.beat)
            except asyncio.CancelledError:
                told.set()
                raise

        flow = create_flow("cancelled").node("a", long).node("b", steps.one).edge("a", "b")
        async with self.programs(flow) as here:
            await here.hire(2)
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            await self.until(lambda: _is(steps.executed), here.patience)
            other = await here.connect()
            assert await here.client.cancel(run_id, reason="changed my mind")
            assert not await here.client.cancel(run_id)
            assert (await other.status.get(run_id)).state == "cancelled"
            await self.until(lambda: _is(told.is_set()), 10 * self.beat)
            await (await here.reconciler()).reconcile(run_id)
            await self.pass_time(15 * self.beat)
            status = await here.client.status(run_id)
            assert (status.state, status.reason) == ("cancelled", "changed my mind")
            assert steps.executed == ["a"]

    async def test_a_run_that_is_cancelled_before_it_begins_never_does(self) -> None:
        """Its first job is on its way, and whoever receives it looks at the status before he begins."""
        steps = Steps()
        flow = create_flow("never").node("a", steps.one)
        async with self.programs(flow) as here:
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            assert await here.client.cancel(run_id)
            await self.pass_time(2 * self.beat)
            await here.hire()
            await self.pass_time(10 * self.beat)
            assert not steps.executed

    async def test_a_cancelled_run_that_sleeps_or_waits_does_not_go_on(self) -> None:
        """Jobs that come for it later find it ended."""
        steps = Steps()
        asleep = create_flow("asleep").sleep("z", 6 * self.beat).node("b", steps.one).edge("z", "b")
        retrying = create_flow("retrying").node(
            "x", steps.broken, retries=RetryPolicy(max_attempts=3, delay=6 * self.beat)
        )
        async with self.programs(asleep, retrying) as here:
            await here.hire()
            for flow, key in ((asleep, "z:suspension"), (retrying, "x:attempt:1")):
                await here.client.start(flow, run_id=(run_id := self.id("run")))
                await self.until(lambda: _has_fact(here, run_id, key), here.patience)  # noqa: B023 - awaited here
                assert await here.client.cancel(run_id)
                executed = len(steps.executed)
                await self.pass_time(20 * self.beat)
                assert len(steps.executed) == executed
                assert (await here.client.result(run_id)).status == "cancelled"


async def _is(thing: object) -> bool:
    return bool(thing)


async def _has_fact(here: Programs, run_id: str, key: str) -> bool:
    return bool(await here.backend.context.get(run_id, [key]))
