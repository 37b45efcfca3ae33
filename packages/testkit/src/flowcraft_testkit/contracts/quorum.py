"""The clauses of a whole backend on joins that go on with so many of their edges, and not with the others."""

from __future__ import annotations

from flowcraft_core import FlowBuilder, create_flow

from .programs import ProgramClauses, Steps


class QuorumClauses(ProgramClauses):
    """What a ``Backend`` promises of joins of two and more."""

    async def test_a_join_of_two_goes_on_with_two_edges_in_the_flows_order(self) -> None:
        """Of four mirrors one is broken, and three workers bring the others at once: it runs once, with two of them."""
        steps = Steps()
        flow = create_flow("two of four").node("s", steps.one).node("j", steps.echo, join=2).node("e", steps.echo)
        for place in range(4):
            step = steps.broken if place == 1 else steps.takes(self._clock, self.beat * (4 - place) / 20)
            flow.node(f"m{place}", step).edge("s", f"m{place}").edge(f"m{place}", "j")
        flow.edge("j", "e")
        async with self.programs(flow) as here:
            await here.hire(3, concurrency=1, prefetch=0)
            for _ in range(4):
                result = await here.run(flow)
                assert result.status == "completed", result.reason
                two = list(result.outputs["j"])
                assert two in (["m0", "m2"], ["m0", "m3"], ["m2", "m3"]), f"it went on with {two}"
                assert result.outputs["e"] == result.outputs["j"]
            assert (steps.count("j"), steps.count("e")) == (4, 4)

    async def test_a_join_of_two_that_gets_one_fails_with_the_errors(self) -> None:
        """Two of three fail: the run does, with both errors. Two are not taken: it fails with an error of its own."""
        steps = Steps()
        failing, skipped = (self._three(steps, flow_id) for flow_id in ("two fail", "two skipped"))
        failing.node("a", steps.gives("a")).node("b", steps.broken).node("c", steps.broken)
        failing.edge("a", "j").edge("b", "j").edge("c", "j")
        skipped.node("a", steps.gives("a")).node("b", steps.one).node("c", steps.one)
        skipped.edge("a", "j").edge("b", "j", condition="false").edge("c", "j", condition="false")
        async with self.programs(failing, skipped, reconcile=False) as here:
            await here.hire(2)
            bad, few = await here.run(failing), await here.run(skipped)
            assert (bad.status, {error.key for error in bad.errors}) == ("failed", {"b", "c"})
            assert (few.status, [(error.key, error.type) for error in few.errors]) == ("failed", [("j", "JoinError")])
            assert steps.count("j") == 0

    async def test_a_reconciler_makes_the_claims_of_those_who_died_before(self) -> None:
        """One edge holds a slot, another was brought by a worker who died at once: the facts show that it came."""
        steps = Steps()
        flow = create_flow("unclaimed slot").node("s", steps.one).node("a", steps.add).node("j", steps.echo, join=2)
        flow.wait("w").edge("s", "j").edge("s", "a").edge("a", "j").edge("a", "w").edge("w", "j")
        async with self.programs(flow, reconcile=False) as here:
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            await here.hire_until("context.put", when="after", number=3)  # what s gave, its claim, what a gave
            await self.lose_messages(here)
            await self.pass_time(here.backend.context.limits.staleness)
            await (await here.reconciler()).reconcile(run_id)
            await here.hire()
            result = await here.ended(run_id)
            assert (result.status, result.outputs) == ("completed", {"s": 1, "a": 2, "j": {"s": 1, "a": 2}})

    async def test_a_fork_of_a_join_of_two_counts_an_edge_that_it_keeps_once(self) -> None:
        """What is begun again brings its edge anew, whichever slot it held; what is kept holds one, and no more."""
        steps = Steps()
        flow = self._three(steps, "forked")
        for node in "abc":
            flow.node(node, steps.gives(node)).edge(node, "j")
        async with self.programs(flow) as here:
            await here.hire()
            old = await here.run(flow)
            await self.pass_time(2 * self.beat + here.backend.context.limits.staleness)
            for number, winner in enumerate(old.outputs["j"]):
                started = await here.client.fork(old.run_id, winner, new_run_id=self.id(f"new{number}"))
                new = await here.ended(started.run_id)
                assert (new.status, len(new.outputs["j"])) == ("completed", 2), f"it went on with {new.outputs['j']}"

    @staticmethod
    def _three(steps: Steps, flow_id: str) -> FlowBuilder:
        return create_flow(flow_id).node("j", steps.echo, join=2)
