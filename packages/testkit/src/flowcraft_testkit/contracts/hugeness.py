"""The clauses of a whole backend on batches that are too large to be held: nobody holds more than some items of one."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from flowcraft_core import FlowRuntime, create_flow
from flowcraft_core.durable import Client
from flowcraft_core.graph.instances import ScopeState

from .interposed import Call
from .programs import Context, ProgramClauses, Steps, is_so


@contextlib.asynccontextmanager
async def only_what_is_new() -> AsyncIterator[None]:
    """Within the block ``held_of`` goes through what was made in it, and not through all that the tests have."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def held_of(batch: str) -> int:
    """How many items of a batch this process holds."""
    gc.collect()
    items = (each for each in gc.get_objects() if type(each) is ScopeState)
    return sum(each.construct is not None and each.construct.key == batch for each in items)


class Held:
    """Listens to a program's calls, and counts the items of batch ``b`` that are held meanwhile.

    Attributes:
        most: How many there were at most.
        keys: The keys that were written.
    """

    def __init__(self) -> None:
        self.most = 0
        self.keys: set[str] = set()

    async def __call__(self, operation: str, call: Call) -> Any:
        """Count, then go on with the call."""
        if operation in ("context.get", "context.delete"):
            self.most = max(self.most, held_of("b"))
        if operation == "context.put":
            self.keys.add(call.args[1])
        return await call()


async def _sets(ctx: Context) -> int:
    item: int = ctx.input
    await ctx.context.set("last", item)
    await ctx.context.set(f"seen_{item}", item)
    if item == 3:
        raise ValueError("three")
    return item


class HugenessClauses(ProgramClauses):
    """What a ``Backend`` promises of who looks at a large batch."""

    async def test_nobody_holds_more_than_some_items_of_a_batch(self) -> None:
        """Not the reconciler, nor who asks for the result or a description, nor a purge; also where workers died."""
        steps, total, died, held = Steps(), 1_000, asyncio.Event(), Held()

        async def dying(operation: str, call: Call) -> Any:
            if operation == "context.put":
                held.keys.add(call.args[1])
                if call.args[1] == "b":
                    died.set()
                    await asyncio.Event().wait()
            return await call()

        flow = create_flow("huge").node("src", steps.gives(list(range(total)))).node("end", steps.one)
        flow.batch("b", steps.add, page_size=100, concurrency=4).edge("src", "b").edge("b", "end")
        async with only_what_is_new(), self.programs(flow, reconcile=False) as here:
            run_id = (await here.client.start(flow)).run_id
            first = await here.hire(around=dying)
            await self.until(lambda: is_so(died.is_set()), here.patience)
            await here.kill(first)
            await self.lose_messages(here)
            await self.pass_time(60 * self.beat + here.backend.context.limits.staleness)
            looks: dict[str, int] = {}

            async def noted(what: str, look: Callable[[], Awaitable[Any]]) -> Any:
                held.most = 0
                found = await look()
                looks[what] = held.most
                return found

            reconciler = await here.reconciler(around=held)
            assert (await noted("reconciler", lambda: reconciler.reconcile(run_id))).revived == 1
            await here.hire(around=held)
            assert (await here.ended(run_id)).status == "completed"
            await self.pass_time(here.backend.context.limits.staleness)
            client = Client(await here.connect(held), flows=here.flows, clock=here.clock)
            result = await noted("result", lambda: client.result(run_id, lazy=True))
            assert (len(result.outputs["b"]), await result.outputs["b"].get(-1)) == (total, total)
            assert result.steps == total + 2
            told = await noted("describe", lambda: client.describe(run_id))
            batch = next(each for each in told.instances if each.node_id == "b")
            assert batch.inside is not None
            assert (batch.inside.scopes, batch.inside.ended, batch.inside.counts) == (total, total, {"done": total})
            assert told.steps == total + 2
            told = await noted("open", lambda: client.describe(run_id, inside="b", after="600.0", limit=3))
            assert [(each.key, each.output) for each in told.instances] == [
                (f"b[{item}].b", item + 1) for item in (600, 601, 602)
            ]
            assert (told.total, told.counts, told.cursor) == (total, {"done": total}, "602.1")
            await noted("purge", lambda: client.purge(run_id))
            await self.pass_time(here.backend.context.limits.staleness)
            left = await here.backend.context.get(run_id, sorted(held.keys))
            assert not left, f"the purge has left {len(left)} facts, {sorted(left)[:5]}"
            many = {what: most for what, most in looks.items() if most >= 3 * total // 4}
            assert not many, f"of {total} items there were held at once: {many}"

    async def test_what_items_of_a_large_batch_leave_is_in_the_result(self) -> None:
        """The context values that they set, by position; their steps; the failures that an edge has taken over."""
        steps = Steps()
        inner = create_flow("inner").node("i", _sets).node("h", steps.echo).edge("i", "h", on="failure")
        plain = create_flow("sets").node("src", steps.gives([0, 1, 2, 4, 5])).edge("src", "b")
        plain.batch("b", _sets, page_size=2, concurrency=2)
        handles = create_flow("handles").node("src", steps.gives(list(range(7)))).edge("src", "b")
        handles.batch("b", inner, page_size=2, concurrency=2)
        async with self.programs(plain, handles, inner) as here:
            await here.hire(2)
            for one in (plain, handles):
                result = await here.run(one)
                alone = await FlowRuntime([one, inner], clock=self._clock).run(one)
                assert (result.status, result.context) == ("completed", alone.context), result.errors
                assert (result.steps, result.outputs) == (alone.steps, alone.outputs)
                assert [each.key for each in result.handled] == [each.key for each in alone.handled]
