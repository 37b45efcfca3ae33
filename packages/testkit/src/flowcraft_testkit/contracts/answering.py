"""The clauses of a whole backend on answers that come before their questions."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from flowcraft_core import ResumeError, create_flow
from flowcraft_core.durable import UnknownRunError

from .clauses import needs
from .programs import Context, ProgramClauses, Steps
from .starting import resumable


class AnsweringClauses(ProgramClauses):
    """What a ``Backend`` promises of ``Client.resume(..., early=True)``."""

    async def test_an_early_answer_ends_its_wait_as_soon_as_it_is_reached(self) -> None:
        """Nobody resumes it any more, and the way of the answer's action is taken."""
        steps = Steps()
        flow = create_flow("answered").node("a", steps.one).wait("w").node("pay", steps.add).node("refund", steps.add)
        flow.edge("a", "w").edge("w", "pay", action="approve").edge("w", "refund", action="reject")
        async with self.programs(flow) as here:
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            await here.client.resume(run_id, "w", output=41, action="approve", early=True)
            with pytest.raises(ResumeError, match="answered already"):
                await here.client.resume(run_id, "w", output=1, action="reject")
            await here.hire(2)
            result = await here.ended(run_id)
            assert (result.status, result.outputs) == ("completed", {"a": 1, "w": 41, "pay": 42})
            assert steps.executed == ["a", "pay"]

    async def test_of_racing_early_answers_one_stands(self) -> None:
        """Two people answer at once what was not asked yet, each with a client of his own: all but one are told."""
        steps = Steps()
        flow = create_flow("asked").node("a", steps.one).wait("w").node("b", steps.echo).edge("a", "w").edge("w", "b")
        async with self.programs(flow) as here, self.programs(flow) as there:
            await here.client.start(flow, run_id=(run_id := self.id("run")))

            async def answer(client: Any, number: int) -> str | None:
                try:
                    await client.resume(run_id, "w", output=number, early=True)
                except ResumeError as error:
                    return str(error)
                return None

            clients = [here.client, there.client] * 3
            answers = await self.race(answer(client, number) for number, client in enumerate(clients))
            assert answers.count(None) == 1, f"of {len(answers)} answers {answers.count(None)} are said to stand"
            assert all("answered already" in said for said in answers if said is not None)
            await here.hire(2)
            assert (await here.ended(run_id)).outputs["b"] == answers.index(None)

    async def test_an_answer_and_its_question_may_meet_at_any_moment(self) -> None:
        """The worker dies just before, or just after, it has written down that it waits: one of the two finds both."""
        moments: tuple[Literal["before", "after"], ...] = ("before", "after")
        for when in moments:
            steps = Steps()
            flow = create_flow(f"met_{when}").wait("w").node("b", steps.add).edge("w", "b")
            async with self.programs(flow, reconcile=False) as here:
                await here.client.start(flow, run_id=(run_id := self.id("run")))
                await here.hire_until("context.put", when=when)
                await here.client.resume(run_id, "w", output=5, early=True)
                await here.hire()
                result = await here.ended(run_id)
                assert (result.status, result.outputs) == ("completed", {"w": 5, "b": 6}), f"died {when} it suspended"
                assert steps.executed == ["b"]

    async def test_a_wait_that_is_answered_counts_as_ready_and_not_as_suspended(self) -> None:
        """Its job is lost: a reconciler sends another one, since nobody else will ever come by."""
        steps = Steps()
        flow = create_flow("lost").wait("w").node("b", steps.add).edge("w", "b")
        async with self.programs(flow, reconcile=False) as here:
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            await here.hire_until("context.put", when="before")
            await here.client.resume(run_id, "w", output=5, early=True)
            await self.lose_messages(here)
            await self.pass_time(here.backend.context.limits.staleness)
            done = await (await here.reconciler()).reconcile(run_id)
            assert (done.revived, done.waiting) == (1, 0)
            await here.hire()
            assert (await here.ended(run_id)).outputs == {"w": 5, "b": 6}

    async def test_early_answers_reach_waits_inside_of_constructs(self) -> None:
        """By their keys, whether or not there is such a pass, item or call yet, and however the key is written."""
        steps = Steps()
        inner = create_flow("page").wait("w").node("y", steps.add).edge("w", "y")
        flow = create_flow("nested").node("src", steps.gives([1, 2])).batch("pages", inner).edge("src", "pages")
        flow.node("head", steps.echo).wait("ask").subflow("call", inner).edge("head", "ask")
        flow.loop("again", start="head", end="ask", condition="result.output < 2")
        flow.edge("pages", "head").edge("again", "call")
        answers = {"pages[0]/w": 10, "pages[01].w": 20, "again[0].ask": 1, "again[1].ask": 2, "again[9].ask": 3}
        async with self.programs(flow) as here:
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            for key, output in {**answers, "call/w": 7}.items():
                await here.client.resume(run_id, key, output=output, early=True)
            with pytest.raises(ResumeError, match="answered already"):
                await here.client.resume(run_id, "pages[1]/w", output=0, early=True)
            await here.hire(2)
            result = await here.ended(run_id)
            assert result.status == "completed"
            assert (result.outputs["pages"], result.outputs["again"], result.outputs["call"]) == ([11, 21], 2, 8)

    async def test_an_early_answer_to_what_is_no_wait_is_refused_by_name(self) -> None:
        """Nothing is kept of it: neither of an unknown run, nor of a node that is none, nor after the end."""
        steps = Steps()
        inner = create_flow("page").wait("inner").node("y", steps.echo).edge("inner", "y")
        flow = create_flow("named").node("a", steps.one).wait("w").batch("pages", inner).edge("a", "w")
        flow.edge("w", "pages", condition="false")
        async with self.programs(flow) as here:
            with pytest.raises(UnknownRunError):
                await here.client.resume(self.id("nobody"), "w", early=True)
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            refused = {"nowhere": "nowhere", "a": "no wait", "pages[0].y": "no wait", "pages.inner": "no wait"}
            for key, said in {**refused, "inner": r"pages\[0\]/inner", "w[0]": "no wait"}.items():
                with pytest.raises(ResumeError, match=said):
                    await here.client.resume(run_id, key, early=True)
            await here.client.resume(run_id, "w", output=3, early=True)
            await here.hire()
            assert (await here.ended(run_id)).outputs == {"a": 1, "w": 3}
            with pytest.raises(ResumeError, match="completed"):
                await here.client.resume(run_id, "w", output=4, early=True)

    async def test_an_early_answer_that_does_not_fit_fails_its_wait_by_name(self) -> None:
        """An edge's condition fails on it: who gave it is gone, and so it is the wait's failure."""
        steps = Steps()
        flow = create_flow("unfit").node("a", steps.one).wait("w").node("b", steps.echo).edge("a", "w")
        flow.edge("w", "b", condition="input.amount > 3")
        async with self.programs(flow) as here:
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            await here.client.resume(run_id, "w", output={"amount": "many"}, early=True)
            await here.hire()
            result = await here.ended(run_id)
            assert (result.status, [error.key for error in result.errors]) == ("failed", ["w"])
            assert (result.errors[0].type, "'w' -> 'b'" in result.errors[0].message) == ("ExpressionError", True)

    @needs("side_door")
    async def test_answers_that_nobody_asks_for_do_nothing_and_go_with_a_purge(self) -> None:
        """To a branch that is never taken, to a pass and an item that there never are."""
        steps = Steps()
        inner = create_flow("page").wait("w").node("y", steps.echo).edge("w", "y")
        flow = create_flow("unasked").node("a", steps.one).wait("never").batch("pages", inner)
        flow.node("head", steps.echo).node("tail", steps.echo).wait("rare").edge("head", "tail").edge("head", "rare")
        flow.edge("a", "never", condition="false").edge("never", "pages").edge("rare", "tail")
        flow.loop("again", start="head", end="tail", condition="false").edge("a", "head")
        keys = ["never", "pages[3]/w", "again[0].rare", *(f"again[{index}].rare" for index in range(7, 17))]
        async with self.programs(flow) as here:
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            for key in keys:
                await here.client.resume(run_id, key, output=5, early=True)
            await here.hire()
            result = await here.ended(run_id)
            assert (result.status, result.outputs["rare"]) == ("completed", 5)
            assert not {"never", "pages"} & result.outputs.keys()
            await self.pass_time(here.backend.context.limits.staleness)
            await here.client.purge(run_id)
            assert not await self.stored.facts(run_id)

    async def test_a_fork_keeps_the_answers_that_nobody_has_asked_for(self) -> None:
        """And who answers again what it keeps as done, is told so."""
        steps, is_broken = Steps(), True

        async def shaky(ctx: Context) -> int:
            steps.executed.append(ctx.key)
            if is_broken:
                raise ConnectionError("not yet")
            await self._clock.sleep(2 * self.beat)
            return 1

        inner = create_flow("asked").wait("w").node("y", steps.add).edge("w", "y")
        flow = create_flow("kept").wait("first").node("x", shaky).wait("last").subflow("call", inner)
        flow.edge("first", "x").edge("x", "last").edge("last", "call")
        async with self.programs(flow) as here:
            await here.client.start(flow, run_id=(old := self.id("old")))
            for key, output in {"first": 1, "last": 2, "call/w": 3}.items():
                await here.client.resume(old, key, output=output, early=True)
            await here.hire()
            assert (await here.ended(old)).status == "failed"
            await self.pass_time(here.backend.context.limits.staleness)
            is_broken = False
            new = (await here.client.redrive(old, new_run_id=self.id("new"))).run_id
            for key in ("first", "last", "call/w"):
                with pytest.raises(ResumeError, match="already"):
                    await here.client.resume(new, key, output=9, early=True)
            result = await here.ended(new)
            assert (result.status, result.outputs) == ("completed", {"first": 1, "x": 1, "last": 2, "call": 4})

    async def test_an_early_answer_to_an_open_wait_resumes_it(self) -> None:
        """Who does not know whether a wait was reached need not ask."""
        steps = Steps()
        flow = create_flow("open").node("a", steps.one).wait("w").node("b", steps.add).edge("a", "w").edge("w", "b")
        async with self.programs(flow) as here:
            await here.hire()
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            await resumable(here, run_id)
            await here.client.resume(run_id, "w", output=5, early=True)
            assert (await here.ended(run_id)).outputs == {"a": 1, "w": 5, "b": 6}
