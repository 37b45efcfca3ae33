"""The clauses of a whole backend on edges on failure and always: what fails is handled, once, whoever dies."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from flowcraft_core import FlowBuilder, SyncNodeContext, create_flow
from flowcraft_core.durable import Settings

from .programs import Context, ProgramClauses, Steps


def _caught(flow_id: str, steps: Steps, broken: Any, **edge: Any) -> FlowBuilder:
    """A step with an edge on failure and a plain one, whose ways come together again."""
    flow = create_flow(flow_id).node("x", broken).node("y", steps.echo).node("h", steps.echo).node("j", steps.echo)
    return flow.edge("x", "y").edge("x", "h", on="failure", **edge).edge("y", "j").edge("h", "j")


class CatchingClauses(ProgramClauses):
    """What a ``Backend`` promises of failures that edges take over."""

    async def test_a_failure_is_handled_where_its_edge_leads(self) -> None:
        """With the error as the value; the plain edge is skipped, and holds up no join; it fails nothing."""
        steps = Steps()
        bad, good = _caught("bad", steps, steps.broken), _caught("good", steps, steps.one)
        async with self.programs(bad, good, reconcile=False) as here:
            await here.hire(2)
            failed, fine = await here.run(bad), await here.run(good)
            error = {"node": "x", "type": "ValueError", "message": "x is broken for good", "attempts": 1}
            assert (failed.status, failed.errors, failed.reason) == ("completed", (), None)
            assert failed.outputs == {"h": error, "j": {"h": error}}
            assert [each.key for each in failed.handled] == ["x"]
            assert (fine.status, fine.outputs, fine.handled) == ("completed", {"x": 1, "y": 1, "j": {"y": 1}}, ())

    async def test_a_failure_whose_edges_are_not_taken_fails_the_run(self) -> None:
        """Because the condition does not hold, or fails itself: as without that edge."""
        steps = Steps()
        other = _caught("other", steps, steps.broken, condition="error.type == 'KeyError'")
        wrong = _caught("wrong", steps, steps.broken, condition="error.type > 1")
        right = _caught("right", steps, steps.broken, condition="error.type == 'ValueError'")
        async with self.programs(other, wrong, right) as here:
            await here.hire(2)
            for flow in (other, wrong):
                result = await here.run(flow)
                assert (result.status, [each.key for each in result.errors]) == ("failed", ["x"]), flow.id
                assert (steps.count("h"), steps.count("y"), result.handled) == (0, 0, ()), flow.id
                (failed,) = [each for each in (await here.client.describe(result.run_id)).instances if each.key == "x"]
                assert (failed.state, set(failed.untaken)) == ("failed", {"h"} if flow is wrong else set())
            assert (await here.run(right)).status == "completed"

    async def test_what_always_follows_runs_after_success_and_after_failure(self) -> None:
        """Once, with the output or the error; its message doubled, and a worker dead after each write of a fact."""
        steps = Steps()
        flows = []
        for name, step in (("fine", steps.one), ("bad", steps.broken)):
            flow = create_flow(name).node("x", step).node("h", steps.echo).node("y", steps.echo)
            flows.append(flow.edge("x", "h", on="always").edge("h", "y"))
        async with self.programs(*flows) as here:
            for flow, value in zip(flows, (1, "x is broken for good"), strict=True):
                for number in (1, 2):
                    run_id = (await here.client.start(flow)).run_id
                    await here.hire_until("context.put", number=number)
                    other = await here.hire()
                    result = await here.ended(run_id)
                    given = result.outputs["h"]
                    assert (result.status, given if value == 1 else given["message"]) == ("completed", value)
                    assert result.outputs["y"] == given
                    await here.kill(other)

    async def test_a_construct_that_fails_is_handled_once_nothing_inside_can_run(self) -> None:
        """A batch, a loop and a subflow: what is under way inside ends before the handler begins."""
        steps = Steps()

        async def work(ctx: Context) -> Any:
            steps.executed.append(ctx.key)
            if ctx.input == 1:
                raise ValueError("1 is broken")
            await self._clock.sleep(3 * self.beat)
            steps.executed.append("slow")
            return ctx.input

        async def handle(ctx: Context) -> Any:
            return {"node": ctx.input["node"], "slow": steps.count("slow")}

        batch = create_flow("batch").node("s", steps.gives([1, 2, 3])).batch("c", work).edge("s", "c")
        inner = create_flow("inner").node("one", steps.one).node("two", steps.gives(2)).node("x", work).node("z", work)
        inner.edge("one", "x").edge("two", "z")
        called = create_flow("called").node("s", steps.one).subflow("c", inner).edge("s", "c")
        loop = create_flow("loop").node("s", steps.one).node("x", work).loop("c", start="x", end="x", condition="true")
        loop.edge("s", "x")
        flows = (batch, called, loop)
        for flow in flows:
            flow.node("h", handle).node("y", steps.echo).edge("c", "h", on="failure").edge("c", "y")
        async with self.programs(*flows, reconcile=False) as here:
            await here.hire(2)
            for flow, key, slow in zip(flows, ("c[0].c", "c/x", "c[0].x"), (2, 1, 0), strict=True):
                steps.executed.clear()
                result = await here.run(flow)
                assert (result.status, result.outputs["h"]) == ("completed", {"node": key, "slow": slow}), flow.id
                assert (steps.count("y"), [each.key for each in result.handled]) == (0, [key]), flow.id

    async def test_a_pass_whose_end_a_contained_failure_blocks_ends_its_loop(self) -> None:
        """No pass follows, and the loop is dead: what hangs on it alone does not run, and joins go on without it."""
        steps = Steps()
        flow = create_flow("loop").node("s", steps.one).node("a", steps.one).node("f", steps.broken)
        flow.node("k", steps.one, join="any").node("e", steps.echo).loop("l", start="a", end="e", condition="true")
        flow.node("y", steps.echo).node("o", steps.one).node("j", steps.echo)
        flow.edge("s", "a").edge("a", "f").edge("a", "k").edge("f", "k").edge("k", "e")
        flow.edge("f", "e", on="failure", condition="error.type == 'KeyError'")
        flow.edge("l", "y").edge("l", "j").edge("s", "o").edge("o", "j")
        async with self.programs(flow, reconcile=False) as here:
            await here.hire(2)
            result = await here.run(flow)
            assert (result.status, result.outputs["j"], result.handled) == ("completed", {"o": 1}, ())
            assert [steps.count(key) for key in ("l[0].f", "l[0].k", "l[0].e", "l[1].a", "y")] == [1, 1, 0, 0, 0]

    async def test_a_pass_that_has_failed_is_its_loops_last_whatever_its_verdict_is(self) -> None:
        """It fails before its verdict and after it, on one worker and on two; nothing of a next pass is started."""
        steps = Steps()

        async def broken(ctx: Context) -> None:
            steps.executed.append(ctx.key)
            await self._clock.sleep(ctx.input * self.beat)
            raise ValueError("no")

        for workers, beats in ((1, 0), (2, 0), (2, 3)):
            flow = create_flow(f"loop_{workers}_{beats}").node("s", steps.gives(beats)).node("a", steps.echo)
            flow.node("x", broken).node("e", steps.echo, join="any").node("h", steps.echo).node("y", steps.echo)
            flow.loop("l", start="a", end="e", condition="true").edge("s", "a").edge("a", "x").edge("a", "e")
            flow.edge("x", "e", on="failure", condition="error.type == 'KeyError'")
            flow.edge("l", "h", on="always").edge("l", "y")
            async with self.programs(flow, reconcile=False) as here:
                await here.hire(workers)
                steps.executed.clear()
                result = await here.run(flow)
                assert (result.status, result.outputs["h"]["node"]) == ("completed", "l[0].x"), flow.id
                assert [each.key for each in result.handled] == ["l[0].x"], flow.id
                assert [steps.count(key) for key in ("l[0].x", "l[0].e", "l[1].a", "y")] == [1, 1, 0, 0], flow.id

    async def test_several_failures_are_handled_together(self) -> None:
        """Two of three fail, each with an edge into a join of all, and of any; and a join of any that fails itself."""
        steps = Steps()
        flows = []
        for join in ("all", "any"):
            flow = create_flow(f"into_{join}").node("s", steps.one).node("h", steps.echo, join=join)
            for name, step in (("a", steps.broken), ("b", steps.broken), ("c", steps.one)):
                flow.node(name, step).edge("s", name).edge(name, "h", on="failure")
            flows.append(flow)
        lost = create_flow("lost").node("s", steps.one).node("a", steps.broken).node("b", steps.broken)
        lost.node("d", steps.echo, join="any").node("h", steps.echo).edge("d", "h", on="failure")
        for name in ("a", "b"):
            lost.edge("s", name).edge(name, "d")
        async with self.programs(*flows, lost, reconcile=False) as here:
            await here.hire(3)
            every, either, none = [await here.run(flow) for flow in (*flows, lost)]
            assert every.status == either.status == none.status == "completed"
            assert every.outputs["h"].keys() == {"a", "b"}
            assert either.outputs["h"]["node"] in ("a", "b")
            assert none.outputs["h"]["node"] in ("a", "b")
            assert (steps.count("h"), steps.count("d")) == (3, 0)
            assert [len(each.handled) for each in (every, either, none)] == [2, 2, 1]

    async def test_a_step_that_kills_its_process_is_handled_in_the_end(self) -> None:
        """Deliveries of a job that nobody came back from are counted; past the limit the node fails like any other."""
        steps = Steps()
        killed = asyncio.Event()

        async def deadly(ctx: Context) -> None:
            killed.set()
            await asyncio.Event().wait()

        flow = _caught("deadly", steps, deadly, condition="who == null")
        async with self.programs(flow, reconcile=False) as here:
            run_id = (await here.client.start(flow)).run_id

            async def dead_or_done() -> bool:
                return killed.is_set() or (await here.client.status(run_id)).state in ("completed", "failed")

            for _ in range(10):
                worker = await here.hire(settings=Settings(delivery_limit=3))
                killed.clear()
                await self.until(dead_or_done, here.patience)
                if not killed.is_set():
                    break
                await here.kill(worker)
            result = await here.client.result(run_id)
            assert (result.status, [each.type for each in result.handled]) == ("completed", ["PoisonError"])
            assert result.outputs["j"]["h"]["node"] == "x"

    async def test_timeouts_and_what_cannot_be_stored_are_handled(self) -> None:
        """A node that takes too long, one whose output is no data, and one whose output is too large."""
        steps, is_over = Steps(), threading.Event()

        # In a thread: a node's timeout is real time, for which a virtual clock stands still where a plain step works.
        def endless(ctx: SyncNodeContext[Any, Any]) -> None:
            is_over.wait(60)

        slow, odd, large = (
            create_flow(name).node("x", step, timeout=timeout).node("h", steps.echo).edge("x", "h", on="failure")
            for name, step, timeout in (
                ("slow", endless, 0.05),
                ("odd", steps.gives(object()), None),
                ("large", steps.gives("x" * 33_600_000), None),
            )
        )
        try:
            async with self.programs(slow, odd, large) as here:
                await here.hire(2)
                for flow in (slow, odd, large):
                    result = await here.run(flow)
                    assert (result.status, [each.key for each in result.handled]) == ("completed", ["x"]), flow.id
                    assert result.outputs["h"]["node"] == "x", flow.id
        finally:
            is_over.set()

    async def test_a_handled_failure_survives_whoever_found_it(self) -> None:
        """Dead before or after each call that tells of it, and its edges stay what they were when it failed."""
        steps = Steps()

        async def broken(ctx: Context) -> None:
            steps.executed.append(ctx.key)
            raise ValueError("no")

        async def change(ctx: Context) -> None:
            await ctx.context.set("mode", "late")

        for operation in ("context.put", "coordination.add_members", "queue.send"):
            for when in ("before", "after"):
                flow = create_flow("found").node("s", steps.one).node("x", broken).node("w", change)
                flow.node("h", steps.echo).node("k", steps.echo).node("j", steps.echo)
                flow.edge("s", "x").edge("s", "w").edge("w", "j").edge("h", "j")
                flow.edge("x", "h", on="failure", condition="mode == null || mode == 'late'")
                flow.edge("x", "k", on="failure", condition="mode == 'other'")
                async with self.programs(flow) as here:
                    run_id = (await here.client.start(flow)).run_id
                    await here.hire_until(operation, when=when)
                    await here.hire(2)
                    result = await here.ended(run_id)
                    assert (result.status, result.outputs["j"].keys()) == ("completed", {"h", "w"}), (operation, when)
                    assert [each.key for each in result.handled] == ["x"], (operation, when)

    async def test_what_is_skipped_arrives_although_the_job_that_saw_it_waits(self) -> None:
        """While a job goes on it tells of what it skips where that is needed; before it waits it tells of all of it."""
        steps = Steps()
        flow = create_flow("waits").node("s", steps.one).node("a", steps.one).wait("w").node("b", steps.one)
        flow.node("h", steps.echo).node("j", steps.echo).edge("s", "a").edge("s", "b").edge("a", "w")
        flow.edge("a", "h", on="failure").edge("h", "j").edge("w", "j").edge("b", "j")
        async with self.programs(flow, reconcile=False) as here:
            await here.hire(2)
            run_id = (await here.client.start(flow)).run_id

            async def waits() -> bool:
                return len(await here.backend.context.get(run_id, ["b", "w:suspension"])) == 2

            await self.until(waits, here.patience)
            await here.client.resume(run_id, "w", output=2)
            result = await here.ended(run_id)
            assert (result.status, result.outputs["j"]) == ("completed", {"w": 2, "b": 1})

    async def test_a_redrive_keeps_what_failed_and_was_handled(self) -> None:
        """It begins again at what failed the run: what was handled was answered, and its handler has acted."""
        steps, is_broken = Steps(), [True]

        async def broken(ctx: Context) -> int:
            if is_broken[0]:
                raise ValueError("not yet")
            return 7

        flow = _caught("kept", steps, broken).node("z", broken).edge("j", "z")
        async with self.programs(flow) as here:
            await here.hire()
            old = await here.run(flow)
            assert (old.status, [each.key for each in old.errors]) == ("failed", ["z"])
            await self.pass_time(2 * self.beat + here.backend.context.limits.staleness)
            is_broken[0] = False
            started = await here.client.redrive(old.run_id, new_run_id=self.id("new"))
            result = await here.ended(started.run_id)
            assert (result.status, result.outputs["z"]) == ("completed", 7)
            assert [each.key for each in result.handled] == ["x"]
            assert result.outputs["j"].keys() == {"h"}
