"""The clauses of a whole backend on calls that undo themselves, since their failure fails no run."""

from __future__ import annotations

import asyncio
import itertools

from flowcraft_core import FlowBuilder, Step, create_flow

from .programs import Context, ProgramClauses, is_so
from .undoing import Takings, fail


def _caught(told: Takings, *, fails: bool = False, at_once: bool = False, undo: Step | None = None) -> FlowBuilder:
    """A call that fails, at once or at its end, which an edge takes up, and a run that fails behind it, or does not."""
    called = create_flow("stay")
    for name in ("x", "y"):
        called.node(name, told.do, undo=undo or told.undo)
    called.node("z", fail).edge("x", "y").edge("y", "z")
    if at_once:
        called = create_flow("stay").node("x", fail, undo=told.undo)
    flow = create_flow("trip").node("a", told.do, undo=told.undo).subflow("call", called).node("b", told.do)
    flow.edge("a", "call").edge("call", "b", on="failure")
    return flow.node("last", fail).edge("b", "last") if fails else flow


class CallUndoingClauses(ProgramClauses):
    """What a ``Backend`` promises of calls that name an undo, and whose failure is contained."""

    async def test_a_call_whose_failure_is_contained_is_undone_before_that_counts(self) -> None:
        """What handles the failure finds nothing left of the call, and the call is not undone again with its run."""
        told = Takings()
        async with self.programs(_caught(told, fails=True), reconcile=False) as here:
            await here.hire(2)
            result = await here.run(_caught(told, fails=True))
            assert told.done == ["a", "call/x", "call/y", "call/y is undone", "call/x is undone", "b", "a is undone"]
            assert [each.key for each in result.undone] == ["call/y", "call/x", "a"]
            assert (result.status, [error.key for error in result.errors]) == ("failed", ["last"])

    async def test_an_item_that_fails_is_undone_before_the_next_of_its_lane_begins(self) -> None:
        """And before the batch is gathered, of which it is one of the failures that are tolerated."""
        told = Takings()

        async def numbers(ctx: Context) -> list[int]:
            return [0, 1, 2]

        async def fails(ctx: Context) -> None:
            if "[1]" not in ctx.key:
                raise ValueError("sold out")

        called = create_flow("stay").node("x", told.do, undo=told.undo).node("y", fails).edge("x", "y")
        flow = create_flow("trip").node("numbers", numbers).node("b", told.do).edge("numbers", "each")
        flow.batch("each", called, concurrency=1, tolerated_failure_count=2).edge("each", "b")
        async with self.programs(flow, reconcile=False) as here:
            await here.hire(2)
            result = await here.run(flow)
            assert result.status == "completed"
            first, second = ["each[0]/x", "each[0]/x is undone"], ["each[2]/x", "each[2]/x is undone"]
            assert told.done == [*first, "each[1]/x", *second, "b"]
            assert sorted(each.key for each in result.undone) == ["each[0]/x", "each[2]/x"]

    async def test_what_has_lost_a_race_in_a_call_that_undoes_itself_never_happens_afterwards(self) -> None:
        """Its step may come to its end later: it has no outcome, for nobody, and nothing to undo."""
        told, at_it, goes_on = Takings(), asyncio.Event(), asyncio.Event()

        async def slowly(ctx: Context) -> str:
            at_it.set()
            await goes_on.wait()
            return await told.do(ctx)

        async def meanwhile(ctx: Context) -> str:
            await at_it.wait()
            return await told.do(ctx)

        called = create_flow("stay").node("x", meanwhile, undo=told.undo).node("s", slowly, undo=told.undo)
        called.node("j", told.do, join="any", undo=told.undo).node("z", fail)
        called.edge("x", "j").edge("s", "j").edge("j", "z")
        flow = create_flow("trip").subflow("call", called).wait("w").node("b", told.do)
        flow.edge("call", "w", on="failure").edge("w", "b")
        async with self.programs(flow, reconcile=False) as here:
            await here.hire(2)
            run_id = (await here.client.start(flow)).run_id
            await self.until(lambda: is_so("call/x is undone" in told.done), here.patience)
            goes_on.set()
            await self.until(lambda: is_so("call/s" in told.done), here.patience)
            await self.pass_time(2 * self.beat)
            await here.client.resume(run_id, "w", early=True)
            result = await here.ended(run_id)
            assert (result.status, told.undone) == ("completed", ["call/j", "call/x"])
            assert [each.key for each in result.undone] == told.undone
            described = await here.client.describe(run_id, inside="call")
            assert {each.key: each.state for each in described.instances}["call/s"] == "void"

    async def test_a_call_undoes_itself_whenever_its_worker_dies(self) -> None:
        """At each of the facts from its failure on: without a reconciler, by redelivery alone."""
        for number, when in itertools.product(range(5, 11), ("before", "after")):
            told = Takings()

            async def slowly(ctx: Context, told: Takings = told) -> None:
                await self.pass_time(self.beat)  # so that of what came before nothing is delivered again
                await told.undo(ctx)

            flow = _caught(told, undo=slowly)
            async with self.programs(flow, reconcile=False) as here:
                run_id = (await here.client.start(flow)).run_id
                await here.hire_until("context.put", when=when, number=number)
                await here.hire()
                result = await here.ended(run_id)
                assert result.status == "completed"
                assert [each.key for each in result.undone] == ["call/y", "call/x"]
                assert list(dict.fromkeys(told.undone)) == ["call/y", "call/x"]
                assert told.done.index("b") > told.done.index("call/x is undone")

    async def test_a_call_that_undoes_itself_is_brought_on_by_the_reconciler_if_its_jobs_are_lost(self) -> None:
        """The facts say that it has failed, what of it is undone, and what follows once all is."""
        told = Takings()
        flow = _caught(told)
        async with self.programs(flow, reconcile=False) as here:
            run_id = (await here.client.start(flow)).run_id
            await here.hire_until("context.put", when="after", number=6)  # that the call is stopped
            await self.lose_messages(here)
            reconciler = await here.reconciler()
            await here.hire()

            async def has_ended() -> bool:
                await reconciler.reconcile(run_id)
                await self.pass_time(self.beat)
                return (await here.client.status(run_id)).state == "completed"

            await self.until(has_ended, here.patience)
            assert list(dict.fromkeys(told.undone)) == ["call/y", "call/x"]

    async def test_a_fork_begins_a_call_again_that_was_undone(self) -> None:
        """As a whole and under new idempotency keys; one in which there was nothing to undo is kept."""
        for fails, begun in ((False, ["call/x", "call/y", "b"]), (True, ["b"])):
            told = Takings()
            flow = _caught(told, at_once=fails)
            async with self.programs(flow) as here:
                await here.hire()
                old = await here.run(flow)
                keys = dict(told.keys)
                told.done.clear()
                forked = await here.client.fork(old.run_id, "b")
                result = await here.ended(forked.run_id)
                assert result.status == "completed"
                done = dict.fromkeys(told.done)  # reads that lag may have had what was kept run once more, in vain
                assert [each for each in done if each != "a" and not each.endswith("undone")] == begun
                assert fails or told.keys["call/x"] != keys["call/x"]
                assert [each.key for each in result.undone] == ([] if fails else ["call/y", "call/x"])
                await here.client.purge(forked.run_id)
