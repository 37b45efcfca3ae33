"""The clauses of a whole backend on what graphs mean: branches, joins, loops, batches, subflows."""

from __future__ import annotations

from typing import Any

from flowcraft_core import FlowBuilder, NodeResult, create_flow

from .programs import Context, ProgramClauses, Steps


class ShapeClauses(ProgramClauses):
    """What a ``Backend`` promises of flows of every shape: the same result as in one process."""

    # --- branches and joins ---

    async def test_a_branch_that_is_not_taken_does_not_run(self) -> None:
        """The run ends after the taken one, by action or condition; an action that no edge has ends it there."""
        steps = Steps()

        async def choose(ctx: Context) -> NodeResult[int]:
            return NodeResult(7, action=await ctx.context.get("action"))

        def forked(flow_id: str, **other: Any) -> FlowBuilder:
            flow = create_flow(flow_id).node("a", choose).node("b", steps.add).node("c", steps.add)
            return flow.edge("a", "b", action="high").edge("a", "c", **other)

        by_action = forked("by_action", action="low")
        by_condition = create_flow("by_condition").node("a", steps.gives(7)).node("b", steps.add).node("c", steps.add)
        by_condition.edge("a", "b", condition="result.output > 5").edge("a", "c", condition="result.output <= 5")
        async with self.programs(by_action, by_condition) as here:
            await here.hire(2)
            high = await here.run(by_action, {"action": "high"})
            none = await here.run(by_action, {"action": "sideways"})
            tested = await here.run(by_condition)
            assert (high.status, high.outputs) == ("completed", {"a": 7, "b": 8})
            assert (none.status, none.outputs) == ("completed", {"a": 7})
            assert (tested.status, tested.outputs) == ("completed", {"a": 7, "b": 8})
            assert steps.count("c") == 0

    async def test_an_if_else_comes_together_again(self) -> None:
        """In a join of all, a join of any, and behind a dead branch of several nodes: once, with the taken output."""
        steps = Steps()
        flows = []
        for join in ("all", "any"):
            flow = create_flow(f"diamond_{join}").node("a", steps.gives(3)).node("b", steps.add).node("c", steps.add)
            for place in range(3):
                flow.node(f"dead{place}", steps.add)
            flow.node("d", steps.echo, join=join)
            flow.edge("a", "b", condition="result.output > 1").edge("a", "c", condition="result.output <= 1")
            flow.edge("c", "dead0").edge("dead0", "dead1").edge("dead1", "dead2").edge("dead2", "d").edge("b", "d")
            flows.append(flow)
        async with self.programs(*flows) as here:
            await here.hire(2)
            every, either = [await here.run(flow) for flow in flows]
            assert (every.status, every.outputs) == ("completed", {"a": 3, "b": 4, "d": {"b": 4}})
            assert (either.status, either.outputs) == ("completed", {"a": 3, "b": 4, "d": 4})
            assert steps.count("d") == 2

    async def test_a_join_waits_for_every_predecessor_though_one_comes_twice(self) -> None:
        """Arrivals are a set: who counts them runs the join without one of its inputs."""
        steps = Steps()
        flow = create_flow("twice").node("s", steps.one).node("a", steps.add)
        flow.node("slow", steps.takes(self._clock, 10 * self.beat))
        flow.node("x", steps.echo).node("d", steps.total).edge("s", "a").edge("s", "x").edge("x", "slow")
        flow.edge("a", "d").edge("slow", "d")
        async with self.programs(flow, reconcile=False) as here:
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            # One dies after the arrival of a, which arrives again before the other branch does.
            await here.hire_until("coordination.add_members")
            await here.hire(2)
            result = await here.ended(run_id)
            assert (result.status, result.outputs["d"], result.steps) == ("completed", 2 + steps.count("slow"), 5)
            assert steps.count("d") == 1

    async def test_a_join_of_any_runs_once_with_one_input(self) -> None:
        """Three workers arrive at once: one claims the join, and the others change nothing."""
        steps = Steps()
        flow = create_flow("race").node("s", steps.one).node("d", steps.echo, join="any").node("e", steps.echo)
        for place in range(3):
            flow.node(f"m{place}", steps.gives(f"mirror {place}")).edge("s", f"m{place}").edge(f"m{place}", "d")
        flow.edge("d", "e")
        async with self.programs(flow) as here:
            await here.hire(3, concurrency=1, prefetch=0)
            for _ in range(5):
                result = await here.run(flow)
                assert result.status == "completed"
                assert result.outputs.get("d") == result.outputs.get("e")
                assert result.outputs.get("d") in {f"mirror {place}" for place in range(3)}
            assert (steps.count("d"), steps.count("e")) == (5, 5)

    async def test_a_join_of_any_survives_one_failure_and_reports_all(self) -> None:
        """One of two mirrors fails: the other one's result. Both fail: the run does, with both errors."""
        steps = Steps()
        half, none = (
            create_flow(flow_id).node("s", steps.one).node("a", steps.broken).node("b", second)
            for flow_id, second in (("half", steps.gives("b")), ("none", steps.broken))
        )
        for flow in (half, none):
            flow.node("d", steps.echo, join="any").edge("s", "a").edge("s", "b").edge("a", "d").edge("b", "d")
        async with self.programs(half, none) as here:
            await here.hire(2)
            good, bad = await here.run(half), await here.run(none)
            assert (good.status, good.outputs["d"]) == ("completed", "b")
            assert bad.status == "failed"
            assert all(f"{node} is broken for good" in str(bad.reason) for node in "ab")

    async def test_a_slow_loser_does_not_hold_up_the_end(self) -> None:
        """``any(wait, sleep)`` ends with the sleep: nobody has to resume what is unneeded."""
        steps = Steps()
        flow = create_flow("either").node("s", steps.one).wait("w").sleep("z", 2 * self.beat)
        flow.node("d", steps.echo, join="any").edge("s", "w").edge("s", "z").edge("w", "d").edge("z", "d")
        async with self.programs(flow) as here:
            await here.hire(2)
            result = await here.run(flow)
            assert (result.status, result.outputs["d"]) == ("completed", 1)

    async def test_a_failed_node_fails_its_run_by_name(self) -> None:
        """People see the error of the node that failed, and not a secondary one."""
        steps = Steps()
        flow = create_flow("failing").node("a", steps.one).node("x", steps.broken).node("y", steps.echo)
        flow.node("z", steps.echo).edge("a", "x").edge("a", "y").edge("x", "z").edge("y", "z")
        async with self.programs(flow) as here:
            await here.hire(2)
            result = await here.run(flow)
            assert result.status == "failed"
            assert "x is broken for good" in str(result.reason)
            assert [error.node_id for error in result.errors] == ["x"]
            assert steps.count("z") == 0

    async def test_a_wide_join_sees_every_branch(self) -> None:
        """One to sixty to one on four workers: more ways than one set holds, and none of them lost."""
        steps = Steps()
        flow = create_flow("wide").node("s", steps.one).node("e", steps.total)
        for place in range(60):
            flow.node(f"n{place}", steps.gives(place)).edge("s", f"n{place}").edge(f"n{place}", "e")
        async with self.programs(flow) as here:
            await here.hire(4)
            result = await here.run(flow)
            assert (result.status, result.outputs["e"], result.steps) == ("completed", sum(range(60)), 62)

    async def test_who_arrives_together_at_a_join_goes_on_once(self) -> None:
        """Branches that end at the same time on one worker: one of them goes on with the join, without a reconciler."""
        steps = Steps()
        flow = create_flow("together").node("s", steps.one).node("e", steps.total)
        for place in range(8):
            flow.node(f"n{place}", steps.gives(place)).edge("s", f"n{place}").edge(f"n{place}", "e")
        async with self.programs(flow, reconcile=False) as here:
            await here.hire()
            result = await here.run(flow)
            assert (result.status, result.outputs["e"], steps.count("e")) == ("completed", sum(range(8)), 1)

    # --- constructs ---

    async def test_a_loop_makes_as_many_passes_as_in_one_process(self) -> None:
        """Nested, with a branch inside; every pass of every node once."""
        steps = Steps()

        async def count(ctx: Context) -> int:
            steps.executed.append(ctx.key)
            number: int = await ctx.context.get("count", 0) + 1
            await ctx.context.set("count", number)
            return number

        flow = create_flow("loops").node("init", steps.one).node("head", steps.echo).node("inc", count)
        flow.node("even", steps.echo).node("odd", steps.echo).node("tail", steps.echo).node("end", steps.echo)
        flow.edge("head", "inc").loop("inner", start="inc", end="inc", condition="result.output % 2 != 0")
        flow.node("mid", steps.echo).edge("inner", "mid")
        flow.edge("mid", "even", condition="count == 2").edge("mid", "odd", condition="count != 2")
        flow.edge("even", "tail").edge("odd", "tail")
        flow.loop("outer", start="head", end="tail", condition="count < 6").edge("init", "head").edge("outer", "end")
        async with self.programs(flow) as here:
            await here.hire(2)
            result = await here.run(flow)
            assert (result.status, result.context["count"]) == ("completed", 6)
            executed = [key.rsplit(".")[-1] for key in steps.executed]
            assert [executed.count(node) for node in ("inc", "even", "odd", "tail", "end")] == [6, 1, 2, 3, 1]

    async def test_a_batch_gathers_in_the_order_of_its_items(self) -> None:
        """Also of no items, of many, and with some that fail within the tolerance."""
        steps = Steps()

        async def picky(ctx: Context) -> int:
            if ctx.input % 7 == 6:
                raise ValueError("not this one")
            return int(ctx.input) * 2

        flows = []
        for number in (0, 3, 60):
            flow = create_flow(f"batch{number}").node("src", steps.gives(list(range(number))))
            flow.batch("pages", picky, tolerated_failure_percentage=50).node("end", steps.echo)
            flows.append(flow.edge("src", "pages").edge("pages", "end"))
        strict = create_flow("strict").node("src", steps.gives([1, 6])).batch("pages", picky).edge("src", "pages")
        async with self.programs(*flows, strict) as here:
            await here.hire(3)
            for number, flow in zip((0, 3, 60), flows, strict=True):
                result = await here.run(flow)
                assert result.status == "completed"
                gathered = [item if isinstance(item, int) else "failed" for item in result.outputs["end"]]
                assert gathered == ["failed" if item % 7 == 6 else item * 2 for item in range(number)]
            refused = await here.run(strict)
            assert (refused.status, "not this one" in str(refused.reason)) == ("failed", True)

    async def test_a_subflow_runs_as_part_of_its_caller(self) -> None:
        """In a batch in a loop, with a context of its own: nodes on any worker, values that stay inside."""
        steps = Steps()

        async def note(ctx: Context) -> Any:
            await ctx.context.set("inside", ctx.input)
            return ctx.input

        async def keep(ctx: Context) -> int:
            await ctx.context.set("sum", sum(ctx.input))
            return sum(ctx.input)

        async def two(ctx: Context) -> list[int]:
            return [int(ctx.input), int(ctx.input) + 1]

        inner = create_flow("page").node("x", steps.add).node("y", note).edge("x", "y")
        flow = create_flow("caller").node("init", steps.one).node("split", two).batch("pages", inner)
        flow.node("sum", keep).edge("split", "pages").edge("pages", "sum")
        flow.loop("L", start="split", end="sum", condition="sum < 20").edge("init", "split")
        async with self.programs(flow) as here:
            await here.hire(3)
            result = await here.run(flow)
            assert (result.status, result.context) == ("completed", {"sum": 29})
