"""The clauses of a whole backend on waits that remind."""

from __future__ import annotations

from typing import Any

from flowcraft_core import create_flow

from .programs import Context, ProgramClauses, Programs, is_so


class RemindingClauses(ProgramClauses):
    """What a ``Backend`` promises of waits that call a step while nobody answers them."""

    async def test_a_wait_reminds_until_it_is_answered(self) -> None:
        """At its times, with the wait's input, each under a key of its own; then it ends as if there were none."""
        said: list[tuple[int, Any, str, float]] = []

        async def remind(ctx: Context) -> object:
            said.append((ctx.attempt, ctx.input, ctx.idempotency_key, self.now()))
            return object()  # of no account, so it need not be one that can be stored

        pause = 3 * self.beat
        flow = create_flow("asked").node("a", _gives_7).wait("w", remind=remind, remind_after=pause).node("b", _more)
        flow.edge("a", "w").edge("w", "b")
        async with self.programs(flow) as here:
            await here.hire(2)
            began = self.now()
            run_id = (await here.client.start(flow)).run_id
            await self.until(lambda: is_so(len({number for number, *_ in said}) >= 2), here.patience)
            (wait,) = (await here.client.describe(run_id)).waits
            assert (wait.key, wait.kind, wait.reason) == ("w", "wait", None)
            await here.client.resume(run_id, "w", output=1)
            result = await here.ended(run_id)
            assert (result.status, result.outputs) == ("completed", {"a": 7, "w": 1, "b": 2})
            known = len(said)
            await self.pass_time(3 * pause)
            assert len(said) == known, "an answered wait reminds nobody"
            for number, given, key, at in said:
                assert (given, key) == (7, f"{run_id}:w:reminder:{number}")
                assert at - began >= number * pause, "none comes early"

    async def test_reminders_do_not_postpone_the_end_of_a_wait(self) -> None:
        """One after each delay, and none any more after the last; then its time is up, counted from its beginning."""
        said: list[int] = []

        async def remind(ctx: Context) -> None:
            said.append(ctx.attempt)

        beat = self.beat
        flow = create_flow("patient").wait("w", timeout=10 * beat, remind=remind, remind_after=[2 * beat, 2 * beat])
        flow.node("late", _gives_7).edge("w", "late", action="timeout")
        async with self.programs(flow) as here:
            await here.hire()
            began = self.now()
            result = await here.run(flow)
            assert (result.status, result.outputs) == ("completed", {"w": None, "late": 7})
            assert sorted(set(said)) == [1, 2]
            assert self.now() - began >= 10 * beat

    async def test_a_reminder_that_fails_is_told_and_the_wait_goes_on(self) -> None:
        """It is no failure of the run's, is not tried again by itself, and the next one comes at its time."""
        said: list[int] = []

        async def remind(ctx: Context) -> None:
            said.append(ctx.attempt)
            if ctx.attempt == 1:
                raise ConnectionError("the mail server is away")
            await ctx.context.set("said", True)

        flow = create_flow("failing").wait("w", remind=remind, remind_after=[2 * self.beat, 6 * self.beat])
        async with self.programs(flow) as here:
            await here.hire()
            run_id = (await here.client.start(flow)).run_id
            told: dict[int, str] = {}

            async def is_told(number: int) -> bool:
                for wait in (await here.client.describe(run_id)).waits:
                    told.update({wait.reminded: wait.reason or ""})
                return number in told

            for number, why in ((1, "the mail server is away"), (2, "cannot set context values")):
                await self.until(lambda number=number: is_told(number), here.patience)  # type: ignore[misc]
                assert why in told[number]
            await here.client.resume(run_id, "w", output=1)
            result = await here.ended(run_id)
            assert (result.status, result.outputs, result.context) == ("completed", {"w": 1}, {})

    async def test_of_reminders_that_were_missed_one_is_called(self) -> None:
        """Nobody was there at several times, and all messages were lost: then one comes, and the next at its time."""
        said: list[tuple[int, float]] = []

        async def remind(ctx: Context) -> None:
            said.append((ctx.attempt, self.now()))

        pause = 6 * self.beat
        flow = create_flow("missed").wait("w", remind=remind, remind_after=pause)
        async with self.programs(flow) as here:
            worker = await here.hire()
            run_id = (await here.client.start(flow)).run_id
            await self.until(lambda: self._waits(here, run_id), here.patience)
            await here.kill(worker)
            await self.lose_messages(here)
            await self.pass_time(4 * pause)
            assert said == []
            reconciler = await here.reconciler()
            await here.hire()

            async def has_reminded(times: int) -> bool:
                await reconciler.run_once()
                return len({number for number, _ in said}) >= times

            await self.until(lambda: has_reminded(2), here.patience)
            first = dict(reversed(said))
            assert sorted(first) == [1, 2]
            assert first[2] - first[1] < 2 * pause, "the times go on as they were"
            await self.pass_time(self.beat)
            assert max(number for number, _ in said) == 2, "those that were missed are not made up for"
            await here.client.resume(run_id, "w", output=1)
            assert (await here.ended(run_id)).outputs == {"w": 1}

    async def _waits(self, here: Programs, run_id: str) -> bool:
        return bool((await here.client.describe(run_id)).waits)


async def _gives_7(ctx: Context) -> int:
    return 7


async def _more(ctx: Context) -> Any:
    return ctx.input + 1
