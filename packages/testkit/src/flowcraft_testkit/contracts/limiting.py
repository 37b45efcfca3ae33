"""The clauses of a whole backend on limits: how many attempts are under way at once, over all workers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from flowcraft_core import Clock, FlowBuilder, FlowRuntime, Limit, RetryPolicy, create_flow

from .programs import Context, ProgramClauses, Programs


class _Gauge:
    """A step that takes its time, and how many are at it."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock, self.seconds = clock, seconds
        self.now = self.most = self.begun = 0

    async def step(self, ctx: Context) -> int:
        """Take the time."""
        self.now, self.begun = self.now + 1, self.begun + 1
        self.most = max(self.most, self.now)
        try:
            await self.clock.sleep(self.seconds)
        finally:
            self.now -= 1
        return self.begun


class LimitingClauses(ProgramClauses):
    """What a ``Backend`` promises of flows whose nodes name limits, while its coordination store stands."""

    @asynccontextmanager
    async def _limited(self, flow: FlowBuilder, limit: Limit, **options: Any) -> AsyncIterator[Programs]:
        async with self.programs(flow, **options) as here:
            here.runtime = FlowRuntime([flow], clock=here.clock, limits=[limit])
            yield here

    async def test_no_more_attempts_are_under_way_than_a_limit_says(self) -> None:
        """Whatever the number of workers; and all is done in the end, at one attempt each."""
        gauge = _Gauge(self._clock, self.beat / 2)
        flow = create_flow("many").node("list", _twelve).batch("work", gauge.step, limit="api").edge("list", "work")
        async with self._limited(flow, Limit("api", concurrency=2)) as here:
            await here.hire(3)
            result = await here.run(flow, run_id=self.id("limited"))
            assert (result.status, gauge.begun) == ("completed", 12)
            assert gauge.most == 2

    async def test_an_attempt_that_takes_long_keeps_its_place(self) -> None:
        """Its worker renews it, as it does its job's visibility."""
        gauge = _Gauge(self._clock, 60 * self.beat)
        flow = create_flow("long").node("a", gauge.step, limit="api").node("b", gauge.step, limit="api")
        # Less than the step takes, and so much that a busy machine renews in time.
        async with self._limited(flow, Limit("api", concurrency=1), visibility=24 * self.beat) as here:
            await here.hire(2)
            assert (await here.run(flow, run_id=self.id("long"))).status == "completed"
            assert gauge.most == 1

    async def test_what_waits_for_a_place_is_seen_and_left_alone(self) -> None:
        """It is no revival, however often a reconciler looks, and no attempt."""
        gauge = _Gauge(self._clock, 40 * self.beat)
        flow = create_flow("waiting").node("a", gauge.step, limit="api:{context.key}")
        visibility = 24 * self.beat
        async with self._limited(flow, Limit("api", concurrency=1), reconcile=False, visibility=visibility) as here:
            await here.hire()
            first, second = self.id("first"), self.id("second")
            await here.client.start(flow, {"key": first}, run_id=first)

            async def is_under_way() -> bool:
                return gauge.begun == 1

            await self.until(is_under_way, here.patience)
            await here.client.start(flow, {"key": first}, run_id=second)

            async def is_told() -> bool:
                (found,) = (await here.client.describe(second)).instances
                return found.standing == f"waits for limit api:{first}"

            await self.until(is_told, here.patience)
            reconciler = await here.reconciler(revivals=1)
            for _ in range(4):
                done = await reconciler.reconcile(second)
                assert (done.revived, done.failed) == (0, 0)
            assert (await here.ended(second)).status == "completed"
            assert (gauge.most, gauge.begun) == (1, 2)
            (entry,) = (await here.client.describe(second)).instances
            assert entry.attempts == 1

    async def test_no_place_is_held_between_attempts(self) -> None:
        """Nor by anything else that is suspended."""
        begun: list[str] = []
        fails, beside = self.id("fails"), self.id("beside")

        async def step(ctx: Context) -> None:
            begun.append(ctx.run_id)
            if begun.count(fails) == 1 and ctx.run_id == fails:
                raise ValueError("once more")

        again = RetryPolicy(max_attempts=2, delay=60 * self.beat)
        flow = create_flow("suspended").node("a", step, limit="api", retries=again)
        async with self._limited(flow, Limit("api", concurrency=1), visibility=150 * self.beat) as here:
            await here.hire()
            await here.client.start(flow, run_id=fails)

            async def has_failed() -> bool:
                return begun == [fails]

            await self.until(has_failed, here.patience)
            await here.client.start(flow, run_id=beside)
            since = self._clock.now()
            assert (await here.ended(beside)).status == "completed"
            assert self._clock.now() - since < 100 * self.beat
            assert (await here.ended(fails)).status == "completed"
            assert begun == [fails, beside, fails]

    async def test_the_place_of_a_killed_worker_is_free_after_its_time(self) -> None:
        """Nobody has to give it back."""
        gauge = _Gauge(self._clock, 400 * self.beat)
        flow = create_flow("killed").node("a", gauge.step, limit="api")
        async with self._limited(flow, Limit("api", concurrency=1)) as here:
            hand = await here.hire()
            await here.client.start(flow, run_id=self.id("killed"))

            async def has_begun() -> bool:
                return gauge.begun == 1

            await self.until(has_begun, here.patience)
            await here.kill(hand)
            gauge.seconds = 0.0
            await here.hire()
            assert (await here.run(flow, run_id=self.id("after"))).status == "completed"


async def _twelve(ctx: Context) -> list[int]:
    return list(range(12))
