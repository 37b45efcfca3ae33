"""The clauses of a whole backend on what a program has around its steps: middleware, and what it provides."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs
from flowcraft_core import Call as StepCall
from flowcraft_core import Dependencies, FlowRuntime, RetryPolicy, create_flow
from flowcraft_core.middleware import Proceed

from .programs import Context, ProgramClauses, Steps


@attrs.frozen
class Place:
    """What one program has, and no other."""

    name: str


class SurroundingClauses(ProgramClauses):
    """What a ``Backend`` promises of programs that have something around their steps."""

    async def test_what_stands_around_steps_is_around_each_call(self) -> None:
        """Each attempt, item, fallback and undo, by its role; what it makes of a result is what stands."""
        steps, calls = Steps(), Counter[tuple[str, str]]()

        async def around(call: StepCall, proceed: Proceed) -> Any:
            calls[call.role, call.key] += 1
            given = await proceed()
            return given + 100 if call.key == "a" and call.role == "step" else given

        async def second_time(ctx: Context) -> int:
            if ctx.attempt == 1:
                raise ConnectionError("not yet")
            return 1

        flow = create_flow("around").node("back", steps.one).node("spare", steps.one)
        flow.node("a", second_time, retries=RetryPolicy(max_attempts=2, delay=0.01), undo="back")
        flow.node("b", steps.broken, fallback="spare").node("list", steps.gives([1, 2])).batch("items", steps.echo)
        flow.node("last", steps.broken).edge("a", "b").edge("b", "list").edge("list", "items").edge("items", "last")
        async with self.programs(flow, reconcile=False) as here:
            await here.hire(2, runtime=FlowRuntime([flow], middleware=[around], clock=here.clock))
            result = await here.run(flow)
            assert (result.status, result.outputs["a"]) == ("failed", 101)
        once = [("step", key) for key in ("b", "list", "items[0].items", "items[1].items", "last")]
        assert calls == Counter([("step", "a"), ("step", "a"), ("fallback", "b"), ("undo", "a"), *once])

    async def test_what_a_program_provides_is_given_to_the_steps_that_it_executes(self) -> None:
        """Each worker's steps get what that one has, by its type; none gets anything of another's."""
        told: list[tuple[str, str]] = []

        def step_of(worker: str) -> Any:
            async def step(ctx: Any) -> int:
                told.append((worker, ctx.dependencies[Place].name))
                return 1

            return step

        def flow_of(worker: str) -> Any:
            flow = create_flow("provided").node("a", step_of(worker)).node("list", Steps().gives([1, 2, 3, 4]))
            return flow.edge("a", "list").batch("items", step_of(worker)).edge("list", "items")

        async with self.programs(flow_of("client")) as here:
            for worker in ("one", "two"):
                provided: list[Any] = [Place(worker)]
                runtime = FlowRuntime([flow_of(worker)], dependencies=provided, clock=here.clock)
                assert isinstance(runtime.dependencies, Dependencies)
                await here.hire(runtime=runtime)
            assert (await here.run(here.flows[0])).status == "completed"
            assert len(told) == 5
            assert all(worker == place for worker, place in told)
