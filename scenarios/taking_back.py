"""Scenarios 49 and 50: what a run has done that ends badly is undone, in order, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import expect
from backend import Backend
from durable_backend import Durable
from flowcraft_core import FlowBuilder, RetryPolicy, RunResult, create_flow
from flowcraft_testkit.contracts.interposed import Call, simply
from in_process import InProcess
from scenario import Scenario
from small_steps import Context, fails, gives

UNDONE = Scenario(
    id=49,
    title="The fourth of five fails, in branches, a loop, a batch and a call: each is undone after what came after it",
)
MEANWHILE = Scenario(
    id=50,
    title="Cancelled, timed out, killed at each call, an undo that fails, a step that ends as the run is stopped",
)

MESSAGE = "it is broken"


class Takings:
    """Steps that can be undone, and what was undone, in order, as often as that was tried.

    Attributes:
        undone: The keys.
        fails: How often the undo of an instance fails, by key.
    """

    def __init__(self) -> None:
        self.undone: list[str] = []
        self.fails: dict[str, int] = {}

    async def do(self, ctx: Context) -> str:
        """Do something."""
        return f"{ctx.key} was done"

    async def count(self, ctx: Context) -> str:
        """Do something, and count how often."""
        await ctx.context.set("count", await ctx.context.get("count", 0) + 1)
        return await self.do(ctx)

    async def undo(self, ctx: Context) -> None:
        """Undo it."""
        self.undone.append(ctx.key)
        expect.equal("what is undone", ctx.output, f"{ctx.key} was done")
        if self.undone.count(ctx.key) <= self.fails.get(ctx.key, 0):
            raise ConnectionError(f"{ctx.key} cannot be undone now")


def _five(told: Takings, *, broken: str = "s3", retries: RetryPolicy | None = None) -> FlowBuilder:
    flow = create_flow("five").node("back", told.undo, retries=retries)
    for number in range(5):
        name = f"s{number}"
        flow.node(name, fails(MESSAGE) if name == broken else told.do, undo="back")
        if number:
            flow.edge(f"s{number - 1}", name)
    return flow


def _expect_undone(result: RunResult, told: Takings, *keys: str) -> None:
    expect.equal("what was undone, in order", told.undone, list(keys))
    expect.equal("what the result says of it", [each.key for each in result.undone], list(keys))


@UNDONE.check
async def the_fourth_of_five(backend: Backend) -> None:
    """Those before it, backwards; the run fails with its error."""
    told = Takings()
    result = await backend.run(_five(told))
    expect.failed(result, "s3")
    _expect_undone(result, told, "s2", "s1", "s0")


@UNDONE.check
async def none_fails(backend: Backend) -> None:
    """Nothing is undone."""
    told = Takings()
    result = await backend.run(_five(told, broken="none"))
    expect.completed(result, ran=[f"s{number}" for number in range(5)])
    _expect_undone(result, told)


@UNDONE.check
async def branches_a_loop_a_batch_and_a_call(backend: Backend) -> None:
    """Each completed instance after what came after it; what nothing orders in whatever order."""
    told = Takings()
    back: Any = {"undo": told.undo}
    called = create_flow("called").node("x", told.do, **back).node("y", told.do, **back).edge("x", "y")
    flow = create_flow("nested").node("a", told.do, **back).node("l", told.do, **back).node("r", told.do, **back)
    flow.edge("a", "l").edge("a", "r").node("p", told.count, **back).edge("l", "p").edge("r", "p")
    flow.loop("again", start="p", end="p", condition="count < 3").node("list", gives([1, 2, 3])).edge("again", "list")
    flow.batch("each", told.do, **back).edge("list", "each").subflow("call", called).edge("each", "call")
    flow.node("bad", fails(MESSAGE), **back).edge("call", "bad")
    result = await backend.run(flow, called)
    expect.failed(result, "bad")
    levels = [
        ["call/y"],
        ["call/x"],
        [f"each[{item}].each" for item in range(3)],
        *([f"again[{number}].p"] for number in (2, 1, 0)),
        ["l", "r"],
        ["a"],
    ]
    undone = iter(told.undone)
    for level in levels:
        expect.equal("what was undone next", sorted(itertools.islice(undone, len(level))), level)
    expect.equal("what was undone then", list(undone), [])
    expect.equal("what the result says of it", sorted(each.key for each in result.undone), sorted(told.undone))


@MEANWHILE.check
async def cancelled_in_the_middle(backend: Backend) -> None:
    """What was done by then is undone; the step under way is told, and has nothing to undo."""
    told, at_it = Takings(), asyncio.Event()

    async def long(ctx: Context) -> str:
        at_it.set()
        await backend.clock.sleep(backend.hour)
        return await told.do(ctx)

    flow = create_flow("long").node("a", told.do, undo=told.undo).node("b", long, undo=told.undo).edge("a", "b")
    run = await backend.launch(flow)
    await backend.until("the step", at_it.is_set)
    expect.equal("whether that cancelled it", await run.cancel(), True)
    result = await run.result()
    expect.status(result, "cancelled")
    _expect_undone(result, told, "a")


def _late(backend: Backend, told: Takings) -> FlowBuilder:
    async def long(ctx: Context) -> str:
        await backend.clock.sleep(2 * backend.day)
        return await told.do(ctx)

    flow = create_flow("late").node("a", told.do, undo=told.undo).node("b", long, undo=told.undo)
    return flow.edge("a", "b")


@MEANWHILE.check_in_process
async def timed_out_in_process(backend: InProcess) -> None:
    """As a cancelled one, but that it has failed."""
    told = Takings()
    flow = _late(backend, told)
    backend.deploy(flow)
    result = await backend.runtime.run(flow.id, timeout=backend.hour)
    expect.status(result, "failed")
    _expect_undone(result, told, "a")


@MEANWHILE.check_durable
async def timed_out(backend: Durable) -> None:
    """As a cancelled one, but that it has failed."""
    told = Takings()
    flow = _late(backend, told)
    backend.deploy(flow)
    await backend.staff()
    client = await backend.client()
    run_id = (await client.start(flow.id, timeout=backend.hour)).run_id
    result = await backend.run_of(run_id).result()
    expect.status(result, "failed")
    _expect_undone(result, told, "a")


@MEANWHILE.check
async def an_undo_fails(backend: Backend) -> None:
    """It is tried again; one that fails for good is listed, and the others still run."""
    told = Takings()
    told.fails = {"s2": 1, "s1": 9}
    result = await backend.run(_five(told, retries=RetryPolicy(max_attempts=2, delay=backend.beat)))
    expect.failed(result, "s3")
    expect.equal("what was tried", told.undone, ["s2", "s2", "s1", "s1", "s0"])
    listed = [(each.key, each.attempts, each.error is None) for each in result.undone]
    expect.equal("what is listed", listed, [("s2", 2, True), ("s1", 2, False), ("s0", 1, True)])


@MEANWHILE.check_durable
async def killed_at_each_call(backend: Durable) -> None:
    """Wherever the worker ends: the same is undone, in the same order."""
    for moment in ("before", "after"):
        for number in backend.moments:
            fresh, told = type(backend)(), Takings()
            try:
                result, reached = await _killed_at(fresh, told, number, moment)
            finally:
                await fresh.close()
            where = f"killed {moment} call {number}"
            expect.equal(f"the status, {where}", result.status, "failed")
            undone = ["s2", "s1", "s0"]
            expect.equal(f"what was undone, {where}", [each.key for each in result.undone], undone)
            expect.equal(f"in which order, {where}", list(dict.fromkeys(told.undone)), undone)
            if not reached:
                break


async def _killed_at(backend: Durable, told: Takings, number: int, moment: str) -> tuple[RunResult, bool]:
    """The result when the first worker ends at its call of that number, and whether it made so many."""
    made = 0

    async def around(operation: str, call: Call) -> Any:
        nonlocal made
        made += operation != "queue.receive"
        is_it = operation != "queue.receive" and made == number
        if is_it and moment == "before":
            await backend.kill()
        answer = await call()
        if is_it and moment == "after":
            await backend.kill()
        return answer

    flow = _five(told)
    backend.around = around
    backend.deploy(flow)
    await backend.staff(1, visibility=20.0, reconcile=False)
    client = await backend.client()
    run_id = (await client.start(flow.id)).run_id
    end = backend.clock.now() + 40
    while backend.hands and (await client.status(run_id)).state == "running" and backend.clock.now() < end:
        await backend.clock.sleep(backend.beat / 100)
    await backend.kill()
    backend.around = simply
    await backend.staff(2, visibility=20.0, reconcile_interval=20.0)
    return await backend.run_of(run_id).result(), made >= number


@MEANWHILE.check_durable
async def the_outcome_is_there_as_the_run_is_stopped(backend: Durable) -> None:
    """Its worker does not know that yet: it is undone, since it stands."""
    await _stopped_at_an_outcome(backend, goes_first=True)


@MEANWHILE.check_durable
async def the_outcome_comes_after_the_run_is_stopped(backend: Durable) -> None:
    """It does not stand, and nothing is undone for it."""
    await _stopped_at_an_outcome(backend, goes_first=False)


async def _stopped_at_an_outcome(backend: Durable, *, goes_first: bool) -> None:
    told, held, goes_on = Takings(), asyncio.Event(), asyncio.Event()

    async def around(operation: str, call: Call) -> Any:
        if operation != "context.put" or call.args[1] != "s1" or held.is_set():
            return await call()
        held.set()
        answer = await call() if goes_first else None
        await goes_on.wait()
        return answer if goes_first else await call()

    backend.deploy(_five(told, broken="none"))
    await backend.hire(around=around)
    client = await backend.client()
    run = backend.run_of((await client.start("five")).run_id)
    await backend.until("the outcome", held.is_set)
    await backend.hire()
    expect.equal("whether that cancelled it", await run.cancel(), True)
    result = await run.result()
    goes_on.set()
    await backend.clock.sleep(2 * backend.beat)
    result = await run.result()
    expect.status(result, "cancelled")
    expect.equal("whether its outcome stands", "s1" in result.outputs, goes_first)
    _expect_undone(result, told, *(["s1"] if goes_first else []), "s0")
