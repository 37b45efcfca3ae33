"""The clauses of a whole backend on runs that are undone: once each, in order, whoever dies and whatever is lost."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from flowcraft_core import FlowBuilder, ResumeError, RetryPolicy, create_flow
from flowcraft_core.durable import Settings
from flowcraft_core.errors import TransientError

from .interposed import Call
from .programs import Context, ProgramClauses, is_so
from .starting import resumable


class Takings:
    """Steps and what undoes them, with what was done and undone, in order.

    Attributes:
        done: What was done, and undone, in order: its key, or what the key is of.
        keys: The idempotency keys of the steps, by key.
        undone: The keys of what was undone; each as often as that was tried.
        under: The idempotency keys of the undos, by key.
        fails: How often the undo of an instance fails, by key.
    """

    def __init__(self) -> None:
        self.done: list[str] = []
        self.keys: dict[str, str] = {}
        self.undone: list[str] = []
        self.under: dict[str, str] = {}
        self.fails: dict[str, int] = {}

    async def do(self, ctx: Context) -> str:
        """Do something."""
        self.done.append(ctx.key)
        self.keys[ctx.key] = ctx.idempotency_key
        return f"{ctx.key} was done"

    async def undo(self, ctx: Context) -> None:
        """Undo it."""
        self.undone.append(ctx.key)
        self.under[ctx.key] = ctx.idempotency_key
        if ctx.output != f"{ctx.key} was done":
            raise AssertionError(f"the undo of {ctx.key!r} was given {ctx.output!r}")
        if self.undone.count(ctx.key) <= self.fails.get(ctx.key, 0):
            raise ConnectionError(f"{ctx.key} cannot be undone now")
        self.done.append(f"{ctx.key} is undone")


async def fail(ctx: Context) -> None:
    """Fail."""
    raise ValueError("the car is sold out")


def _chain(told: Takings, *names: str, **last: Any) -> FlowBuilder:
    """Steps one behind the other that are undone, and one that fails, unless ``last`` says what it does."""
    flow = create_flow("trip").node("back", told.undo, retries=RetryPolicy(max_attempts=2, delay=0.01))
    for name in names:
        flow.node(name, told.do, undo="back")
    flow.node("last", last.get("step", fail), undo="back")
    for one, other in zip(names, (*names[1:], "last"), strict=True):
        flow.edge(one, other)
    return flow


class UndoingClauses(ProgramClauses):
    """What a ``Backend`` promises of runs that end badly and whose flows name an undo."""

    async def test_what_a_failed_run_has_done_is_undone_backwards_before_it_ends(self) -> None:
        """Branches side by side, passes one by one, each under a key of its own; what failed has nothing to undo."""
        told = Takings()

        async def counts(ctx: Context) -> str:
            await ctx.context.set("count", await ctx.context.get("count", 0) + 1)
            return await told.do(ctx)

        flow = create_flow("trip").node("a", told.do, undo=told.undo)
        flow.node("l", told.do, undo=told.undo).node("r", told.do, undo=told.undo).node("p", counts, undo=told.undo)
        flow.edge("a", "l").edge("a", "r").edge("l", "p").edge("r", "p")
        flow.loop("again", start="p", end="p", condition="count < 2").node("last", fail, undo=told.undo)
        flow.edge("again", "last")
        async with self.programs(flow, reconcile=False) as here:
            await here.hire(2)
            result = await here.run(flow)
            assert result.status == "failed"
            assert [error.key for error in result.errors] == ["last"]
            assert told.undone[:2] == ["again[1].p", "again[0].p"]
            assert (sorted(told.undone[2:4]), told.undone[4:]) == (["l", "r"], ["a"])
            assert sorted(each.key for each in result.undone) == sorted(told.undone)
            assert told.under["a"] == f"{result.run_id}:a:undo"

    async def test_branches_that_are_undone_in_one_moment_are_gone_behind(self) -> None:
        """Whoever has undone one of them may not see yet that the other one is undone, too; and the other way round."""
        told, waiting = Takings(), asyncio.Barrier(2)

        async def together(ctx: Context) -> None:
            await waiting.wait()
            await told.undo(ctx)

        flow = create_flow("trip").node("a", told.do, undo=told.undo).node("last", fail)
        for name in ("l", "r"):
            flow.node(name, told.do, undo=together).edge("a", name).edge(name, "last")
        async with self.programs(flow, reconcile=False) as here:
            await here.hire(2, concurrency=1, prefetch=0)
            for _ in range(6):
                told.undone.clear()
                assert (await here.run(flow)).status == "failed"
                assert (sorted(told.undone[:2]), told.undone[2:]) == (["l", "r"], ["a"])

    async def test_a_run_that_completes_undoes_nothing(self) -> None:
        """However often it is asked to end."""
        told = Takings()
        flow = _chain(told, "a", "b", step=told.do)
        async with self.programs(flow) as here:
            await here.hire(2)
            result = await here.run(flow)
            assert (result.status, result.undone, told.undone) == ("completed", (), [])
            assert not await here.client.cancel(result.run_id)
            assert not await here.client.abandon(result.run_id)
            await self.pass_time(2 * self.beat)
            assert told.undone == []

    async def test_a_step_that_ends_in_the_moment_of_the_stop_is_undone(self) -> None:
        """Its outcome stands, though its worker has not heard of that: so it was done, and is undone."""
        assert await self._stopped_at_an_outcome(goes_first=True) == ["b", "a"]

    async def test_a_step_that_ends_after_the_stop_never_happened(self) -> None:
        """Its place is taken: it has no outcome, for nobody, and nothing to undo."""
        assert await self._stopped_at_an_outcome(goes_first=False) == ["a"]

    async def _stopped_at_an_outcome(self, *, goes_first: bool) -> list[str]:
        """What is undone of a run that is cancelled while the outcome of ``b`` is on its way, or its answer back."""
        told, held, goes_on = Takings(), asyncio.Event(), asyncio.Event()
        flow = _chain(told, "a", "b", step=told.do)

        async def around(operation: str, call: Call) -> Any:
            if operation != "context.put" or call.args[1] != "b" or held.is_set():
                return await call()
            held.set()
            answer = await call() if goes_first else None
            await goes_on.wait()
            return answer if goes_first else await call()

        async with self.programs(flow, reconcile=False) as here:
            await here.hire(around=around)
            run_id = (await here.client.start(flow)).run_id
            await self.until(lambda: is_so(held.is_set()), here.patience)
            await here.hire()
            assert await here.client.cancel(run_id, reason="the traveller is ill")
            result = await here.ended(run_id)
            goes_on.set()
            await self.pass_time(2 * self.beat)
            again = await here.client.result(run_id)
            assert (result.status, result.reason) == ("cancelled", "the traveller is ill")
            assert (again.outputs, again.undone) == (result.outputs, result.undone), "nothing comes of it any more"
            assert ("b" in again.outputs) is goes_first
            assert [each.key for each in result.undone] == told.undone
            return told.undone

    async def test_an_undo_that_fails_is_tried_again_and_stops_no_other(self) -> None:
        """One that fails for good is listed, with its error."""
        told = Takings()
        told.fails = {"c": 1, "b": 5}
        flow = _chain(told, "a", "b", "c")
        async with self.programs(flow) as here:
            await here.hire(2)
            result = await here.run(flow)
            assert told.undone == ["c", "c", "b", "b", "a"]
            assert [(each.key, each.attempts, each.error is None) for each in result.undone] == [
                ("c", 2, True),
                ("b", 2, False),
                ("a", 1, True),
            ]
            assert [error.key for error in result.errors] == ["last"]
            assert "b cannot be undone now" in (result.reason or "")
            described = await here.client.describe(result.run_id)
            assert described.stopped is not None
            assert (described.stopped.undone, [each.key for each in described.stopped.failed]) == (2, ["b"])
            undone = {instance.key: instance.undone for instance in described.instances}
            assert (undone["last"], undone["a"]) == (None, result.undone[2])

    async def test_the_first_end_of_a_run_that_is_undone_stands(self) -> None:
        """Whoever would cancel it while it is undone is told that it has ended, and changes nothing."""
        told, at_it, goes_on = Takings(), asyncio.Event(), asyncio.Event()

        async def undo(ctx: Context) -> None:
            at_it.set()
            await goes_on.wait()
            await told.undo(ctx)

        flow = create_flow("trip").node("a", told.do, undo=told.undo).node("b", told.do, undo=undo)
        flow.node("last", fail).edge("a", "b").edge("b", "last")
        async with self.programs(flow) as here:
            await here.hire(2)
            run_id = (await here.client.start(flow)).run_id
            await self.until(lambda: is_so(at_it.is_set()), here.patience)
            assert (await here.client.status(run_id)).state == "running"
            assert not await here.client.cancel(run_id, reason="too late")
            await self.pass_time(2 * self.beat)
            goes_on.set()
            result = await here.ended(run_id)
            assert (result.status, told.undone) == ("failed", ["b", "a"])

    async def test_a_run_that_is_undone_takes_no_answers(self) -> None:
        """It is to end, and nothing goes on in it: whoever answers is told so, also early."""
        at_it, goes_on = asyncio.Event(), asyncio.Event()
        told = Takings()

        async def undo(ctx: Context) -> None:
            at_it.set()
            await goes_on.wait()

        flow = create_flow("trip").node("a", told.do, undo=undo).wait("w").wait("later")
        flow.edge("a", "w").edge("w", "later")
        async with self.programs(flow) as here:
            await here.hire()
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            await resumable(here, run_id)
            assert await here.client.cancel(run_id)
            await self.until(lambda: is_so(at_it.is_set()), here.patience)
            for key, early in (("w", False), ("w", True), ("later", True)):
                with pytest.raises(ResumeError, match="cancelled"):
                    await here.client.resume(run_id, key, output=1, early=early)
            goes_on.set()
            assert list((await here.ended(run_id)).outputs) == ["a"]

    async def test_a_run_is_undone_no_further_once_that_is_abandoned(self) -> None:
        """The undo under way comes to its end, none begins, and the run ends as it was to; it is told only once."""
        told, at_it, goes_on = Takings(), asyncio.Event(), asyncio.Event()

        async def undo(ctx: Context) -> None:
            at_it.set()
            await goes_on.wait()
            await told.undo(ctx)

        flow = create_flow("trip").node("a", told.do, undo=told.undo).node("b", told.do, undo=undo)
        flow.node("last", fail).edge("a", "b").edge("b", "last")
        async with self.programs(flow) as here:
            await here.hire(2)
            run_id = (await here.client.start(flow)).run_id
            await self.until(lambda: is_so(at_it.is_set()), here.patience)

            async def is_told() -> bool:
                stopped = (await here.client.describe(run_id)).stopped
                return stopped is not None and (stopped.state, stopped.undone, stopped.next) == ("failed", 0, ("b",))

            await self.until(is_told, here.patience)
            assert await here.client.abandon(run_id, reason="done by hand")
            result = await here.ended(run_id)
            assert not await here.client.abandon(run_id)
            goes_on.set()
            await self.pass_time(2 * self.beat)
            assert (result.status, told.undone) == ("failed", ["b"])
            assert "its undos were abandoned: done by hand" in (result.reason or "")
            assert [each.key for each in (await here.client.result(run_id)).undone] == ["b"]

    async def test_undos_go_on_whenever_their_worker_dies(self) -> None:
        """At each of the facts from the failure on: without a reconciler, by the redelivery of its message alone."""
        for number, when in itertools.product(range(3, 7), ("before", "after")):
            told = Takings()
            flow = _chain(told, "a", "b")
            async with self.programs(flow, reconcile=False) as here:
                run_id = (await here.client.start(flow)).run_id
                await here.hire_until("context.put", when=when, number=number)
                await here.hire()
                result = await here.ended(run_id)
                assert result.status == "failed"
                assert [each.key for each in result.undone] == ["b", "a"]
                assert list(dict.fromkeys(told.undone)) == ["b", "a"]

    async def test_undos_go_on_though_the_redelivery_is_slow(self) -> None:
        """Whoever has it learns that the run is stopped before they come to what failed: it is theirs to go on."""
        told = Takings()
        flow = _chain(told, "a", "b")

        async def slow(operation: str, call: Call) -> Any:
            if operation == "context.get" and call.args[1] == ["b"]:
                await self.pass_time(3 * self.beat)
            return await call()

        async with self.programs(flow, reconcile=False, control_interval=self.beat) as here:
            run_id = (await here.client.start(flow)).run_id
            await here.hire_until("context.put", when="after", number=4)  # that the run is stopped
            await here.hire(around=slow)
            result = await here.ended(run_id)
            assert (result.status, [each.key for each in result.undone]) == ("failed", ["b", "a"])

    async def test_a_store_that_is_down_for_a_while_fails_no_undo(self) -> None:
        """Its job is delivered again and again meanwhile, and it is not taken for one that kills its workers."""
        told, is_down = Takings(), False

        async def undo(ctx: Context) -> None:
            nonlocal is_down
            is_down = not told.undone
            await told.undo(ctx)

        async def unreachable(operation: str, call: Call) -> Any:
            if is_down and operation.startswith("context."):
                raise TransientError("the store does not answer")
            return await call()

        flow = create_flow("trip").node("a", told.do, undo=undo).node("last", fail).edge("a", "last")
        async with self.programs(flow, reconcile=False) as here:
            await here.hire(around=unreachable, visibility=max(1.0, 2 * self.beat), settings=Settings(delivery_limit=3))
            run_id = (await here.client.start(flow)).run_id
            await self.until(lambda: is_so(is_down), here.patience)
            await self.pass_time(45 * self.beat)
            is_down = False
            result = await here.ended(run_id)
            assert [(each.key, each.error) for each in result.undone] == [("a", None)]

    async def test_undos_whose_jobs_are_lost_are_found_by_the_reconciler(self) -> None:
        """The facts say which are due."""
        told = Takings()
        flow = _chain(told, "a", "b")
        async with self.programs(flow, reconcile=False) as here:
            run_id = (await here.client.start(flow)).run_id
            await here.hire_until("context.put", when="after", number=4)  # that the run is stopped
            await self.lose_messages(here)
            reconciler = await here.reconciler()
            await here.hire()

            async def has_ended() -> bool:
                await reconciler.reconcile(run_id)
                await self.pass_time(self.beat)
                return (await here.client.status(run_id)).state == "failed"

            await self.until(has_ended, here.patience)
            assert list(dict.fromkeys(told.undone)) == ["b", "a"]
