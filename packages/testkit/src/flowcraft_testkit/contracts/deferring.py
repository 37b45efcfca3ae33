"""The clauses of a whole backend on steps that say themselves when, and whether, they are to be tried again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import attrs
from flowcraft_core import RetryAfter, RetryPolicy, create_flow
from flowcraft_core.jobs import decode_job, encode_job

from .clauses import needs
from .interposed import Call
from .programs import Context, ProgramClauses, Steps


class DeferringClauses(ProgramClauses):
    """What a ``Backend`` promises of ``RetryAfter``, and of policies that look at the error."""

    async def test_a_step_is_tried_again_when_it_says(self) -> None:
        """Not when its policy does: after a time, or at one; and that is an attempt like others."""
        for at_a_time in (False, True):
            began: list[float] = []

            async def busy(ctx: Context, at_a_time: bool = at_a_time, began: list[float] = began) -> int:
                began.append(self.now())
                if ctx.attempt == 1:
                    later = 3 * self.beat
                    raise RetryAfter(datetime.fromtimestamp(self.now() + later, UTC) if at_a_time else later, "busy")
                return ctx.attempt

            policy = RetryPolicy(max_attempts=2, delay=100_000.0, max_delay=100_000.0, jitter=0.0)
            flow = create_flow("busy").node("a", busy, retries=policy)
            async with self.programs(flow) as here:
                await here.hire()
                result = await here.run(flow)
                assert (result.status, result.outputs) == ("completed", {"a": 2})
                assert began[1] - began[0] >= 2.9 * self.beat, "it was tried again earlier than it said"

    async def test_who_asks_for_later_is_not_called_twice(self) -> None:
        """Of two jobs of an attempt, as they are sent where one seems to be lost, one makes it, on any worker."""
        began = list[tuple[int, int]]()

        async def busy(ctx: Context) -> int:
            began.append((ctx.attempt, ctx.deferrals))
            if len(began) > 1:
                await here.clock.sleep(self.beat / 2)
            if ctx.attempt == 1 and ctx.deferrals < 2:
                raise RetryAfter(self.beat, counts=False)
            if ctx.attempt == 1:
                raise ValueError("the one failure that the policy allows")
            return ctx.deferrals

        async def doubled(operation: str, call: Call) -> Any:
            answer = await call()
            if operation == "queue.send":
                jobs = [(decode_job(message.body), message) for message in call.args[0]]
                copies = [
                    attrs.evolve(message, body=encode_job(attrs.evolve(job, id=self.id("job"))))
                    for job, message in jobs
                    if job.attempt
                ]
                if copies:
                    await call.func(copies, **call.keywords)
            return answer

        flow = create_flow("busy").node("a", busy, retries=RetryPolicy(max_attempts=2, delay=self.beat, jitter=0.0))
        async with self.programs(flow, reconcile=False) as here:
            for _ in range(2):
                await here.hire(around=doubled)
            result = await here.run(flow)
            assert (result.status, result.outputs) == ("completed", {"a": 2})
            assert began == [(1, 0), (1, 1), (1, 2), (2, 2)], "an attempt was made twice"

    async def test_what_does_not_count_uses_up_no_attempt(self) -> None:
        """Far more often than the policy has attempts, on workers that end; without any policy as well."""
        often, seen = 20, list[tuple[int, int]]()

        async def limited(ctx: Context) -> int:
            seen.append((ctx.attempt, ctx.deferrals))
            if ctx.deferrals < often:
                raise RetryAfter(0, "too many requests", counts=False)
            if ctx.attempt == 1:
                raise ValueError("the one failure that the policy allows")
            return ctx.deferrals

        async def once(ctx: Context) -> str:
            if not ctx.deferrals:
                raise RetryAfter(0, counts=False)
            return "sent"

        flow = create_flow("limited").node("a", limited, retries=1).node("b", once).edge("a", "b")
        async with self.programs(flow) as here:
            run_id = (await here.client.start(flow)).run_id
            await here.hire_until("queue.send", when="before")  # it has suspended the first, and told nobody
            await here.hire()
            result = await here.ended(run_id)
            assert (result.status, result.outputs) == ("completed", {"a": often, "b": "sent"})
            expected = [*((1, deferrals) for deferrals in range(often + 1)), (2, often)]
            assert list(dict.fromkeys(seen)) == expected

    async def test_a_step_that_only_ever_asks_for_later_fails_in_the_end(self) -> None:
        """What does not count is bounded by a limit of its own, and counts beyond it."""
        seen: list[tuple[int, int]] = []

        async def never(ctx: Context) -> None:
            seen.append((ctx.attempt, ctx.deferrals))
            raise RetryAfter(0, "still too many requests", counts=False)

        flow = create_flow("never").node("a", never, retries=RetryPolicy(max_attempts=2, max_deferrals=3))
        async with self.programs(flow) as here:
            await here.hire()
            result = await here.run(flow)
            assert result.status == "failed"
            assert [(error.type, error.message) for error in result.errors] == [
                ("RetryAfter", "still too many requests")
            ]
            assert list(dict.fromkeys(seen)) == [(1, 0), (1, 1), (1, 2), (1, 3), (2, 3)]

    async def test_a_fallback_may_ask_for_later_too(self) -> None:
        """It has deferrals of its own, and still knows why the step that it stands in for has failed."""
        seen: list[tuple[int, str]] = []

        async def fails(ctx: Context) -> None:
            if ctx.deferrals < 2:
                raise RetryAfter(0, counts=False)
            raise ValueError("no such card")

        async def stands_in(ctx: Context) -> str:
            assert ctx.error is not None
            seen.append((ctx.deferrals, ctx.error.message))
            if not ctx.deferrals:
                raise RetryAfter(2 * self.beat, counts=False)
            return "sent"

        flow = create_flow("either").node("a", fails, fallback=stands_in)
        async with self.programs(flow) as here:
            await here.hire()
            result = await here.run(flow)
            assert (result.status, result.outputs) == ("completed", {"a": "sent"})
            assert list(dict.fromkeys(seen)) == [(0, "no such card"), (1, "no such card")]

    async def test_a_policy_may_look_at_the_error(self) -> None:
        """Its function says which errors are worth another attempt, on every worker; its table says when."""
        steps = Steps()

        def is_busy(error: BaseException) -> bool:
            return "busy" in str(error)

        async def fails(ctx: Context) -> Any:
            await steps.one(ctx)
            raise ValueError("busy" if ctx.attempt < 3 else "no such table")

        policy = RetryPolicy(delays=(0, self.beat / 10, 100_000.0), retry_if=is_busy)
        flow = create_flow("looked").node("a", fails, retries=policy)
        async with self.programs(flow) as here:
            await here.hire()
            result = await here.run(flow)
            assert (result.status, result.errors[0].message, result.errors[0].attempts) == (
                "failed",
                "no such table",
                3,
            )

    @needs("side_door")
    async def test_a_purge_takes_every_attempt_that_did_not_count(self) -> None:
        """However many there were; seen past the adapter."""

        async def limited(ctx: Context) -> int:
            if ctx.deferrals < 20:
                raise RetryAfter(0, counts=False)
            return 1

        flow = create_flow("swept").node("a", limited)
        async with self.programs(flow) as here:
            await here.hire()
            run_id = self.id("run")
            assert (await here.run(flow, run_id=run_id)).status == "completed"
            await self.pass_time(here.backend.context.limits.staleness)
            await here.client.purge(run_id)
            assert not await self.stored.facts(run_id)
