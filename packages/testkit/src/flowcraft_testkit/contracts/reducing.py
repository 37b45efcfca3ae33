"""The clauses of a whole backend on batches whose results a reducer makes one value of."""

from __future__ import annotations

from typing import Any

from flowcraft_core import FlowRuntime, create_flow

from .interposed import Call
from .programs import Context, ProgramClauses, Steps


async def _joined(ctx: Context) -> str:
    """What came before, and what follows: which results came together, and in which order, shows in it."""
    said = ",".join(str(result) for result in ctx.input["results"])
    return f"{ctx.input['value'] or ''}({said})"


async def _is_odd(ctx: Context) -> int:
    item: int = ctx.input
    if item % 2 == 0:
        raise ValueError(f"{item} is even")
    return item


async def _failures(ctx: Context) -> int:
    return (ctx.input["value"] or 0) + sum(isinstance(each, dict) for each in ctx.input["results"])


async def _gives_up(ctx: Context) -> None:
    raise ValueError("no value in that")


class ReducingClauses(ProgramClauses):
    """What a ``Backend`` promises of ``reduce=`` of a batch."""

    async def test_a_reducer_gives_what_it_gives_in_one_process(self) -> None:
        """Page by page in the order of the items, also where there are none; and nothing else is stored of them."""
        steps, written = Steps(), list[str]()

        async def listen(operation: str, call: Call) -> Any:
            if operation == "context.put":
                written.append(call.args[1])
            return await call()

        should = {0: "()", 1: "(1)", 2: "(1,2)", 3: "(1,2)(3)", 6: "(1,2)(3,4)(5,6)"}
        inner = create_flow("inner").node("a", steps.add)
        flows = {
            (items, worker): create_flow(f"reduced_{items}_{worker}")
            .node("src", steps.gives(list(range(items))))
            .batch(
                "b",
                inner if worker else steps.add,
                page_size=2,
                concurrency=2,
                output="joined",
                reduce=_joined,
            )
            .node("end", steps.echo)
            .edge("src", "b")
            .edge("b", "end")
            for items in should
            for worker in (False, True)
        }
        async with self.programs(*flows.values(), inner, reconcile=False) as here:
            await here.hire(2, around=listen)
            for (items, _), flow in flows.items():
                result = await here.run(flow)
                assert (result.status, result.outputs["end"]) == ("completed", should[items]), result.errors
                assert (result.outputs["b"], result.context) == (should[items], {"joined": should[items]})
                alone = await FlowRuntime([flow, inner], clock=self._clock).run(flow)
                assert (alone.outputs, alone.context) == (result.outputs, result.context)
        pages = [key for key in written if key.startswith("b:chunk:")]
        assert not pages, f"results that are reduced were stored as {pages}"

    async def test_a_reducer_sees_failed_items_in_their_places_and_may_fail_itself(self) -> None:
        """What is tolerated is among the results; what it raises is the batch's failure, on any number of pages."""
        steps = Steps()
        numbers = steps.gives(list(range(5)))
        counted = create_flow("counted").node("src", numbers).edge("src", "b")
        counted.batch("b", _is_odd, page_size=2, reduce=_failures, tolerated_failure_count=3)
        fails = create_flow("fails").node("src", numbers).edge("src", "b")
        fails.batch("b", steps.add, page_size=2, reduce=_gives_up)
        async with self.programs(counted, fails) as here:
            await here.hire(2)
            result = await here.run(counted)
            assert (result.status, result.outputs["b"]) == ("completed", 3), result.errors
            result = await here.run(fails)
            assert (result.status, [(each.key, each.message) for each in result.errors]) == (
                "failed",
                [("b", "no value in that")],
            )
