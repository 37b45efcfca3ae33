"""Scenarios 27 to 31: what brings a run on whose workers die, whose hints are lost, and whose stores fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import expect
from clean_runs import clean_run, flows, same
from durable_backend import Durable
from flowcraft_core import FlowBuilder, RetryPolicy, RunResult, create_flow
from flowcraft_core.errors import TransientError
from flowcraft_testkit.contracts.interposed import Call, simply
from scenario import Scenario
from small_steps import Context, Tally, adds, echo, fails, takes

KILLED = Scenario(
    id=27,
    title="A worker is killed between any two of its writes: the run recovers, and no join comes early",
    absent={"in-process": "workers and run are one process: they end together, and nothing is left to recover it"},
)
SLOW_RECONCILED = Scenario(
    id=28,
    title="A reconciler looks while a slow step runs: the step's effects come once, ways not taken stay so",
    absent={"in-process": "there is no reconciler: the runtime holds every run that it drives"},
)
MANY_STALLED = Scenario(
    id=29,
    title="Thousands of runs stall: a reconciler finds every one, over many pages",
    absent={"in-process": "there is no store in which stalled runs could be looked for"},
)
WIPED = Scenario(
    id=30,
    title="The coordination store is wiped, or every message lost, at any moment: the run still reaches its end",
    absent={"in-process": "there are neither messages nor a coordination store"},
)
THROTTLED = Scenario(
    id=31,
    title="A store throttles, resets connections, loses answers after writing: tried again, with no double effect",
    absent={"in-process": "facts are kept in memory: no call can fail or lose its answer"},
)


# --- workers that are killed ------------------------------------------------------------------------------------------


async def _killed_at(backend: Durable, flow: FlowBuilder, number: int, moment: str) -> tuple[RunResult, bool]:
    """The result when the first worker ends at its call of that number, and whether it made so many."""
    made = 0

    async def around(operation: str, call: Call) -> Any:
        nonlocal made
        if operation != "queue.receive":
            made += 1
            if made == number and moment == "before":
                await backend.kill()
        result = await call()
        if operation != "queue.receive" and made == number and moment == "after":
            await backend.kill()
        return result

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


@KILLED.check_durable
async def at_every_call(backend: Durable) -> None:
    """The result is that of a clean run, wherever the worker ends: at every call, or at some where time is real."""
    for flow in flows():
        expected = await clean_run(flow)
        for moment in ("before", "after"):
            for number in backend.moments:
                fresh = type(backend)()
                try:
                    result, reached = await _killed_at(fresh, flow, number, moment)
                finally:
                    await fresh.close()
                same(f"{flow.id!r}, killed {moment} call {number}", result, expected)
                if not reached:
                    break


async def _until_tried(backend: Durable, tried: list[int], number: int) -> None:
    await backend.until(f"attempt {number}", lambda: number in tried)


@KILLED.check_durable
async def between_attempts(backend: Durable) -> None:
    """The attempts made count on with another worker."""
    tried: list[int] = []

    async def flaky(ctx: Context) -> int:
        tried.append(ctx.attempt)
        if ctx.attempt < 3:
            raise ConnectionError("down")
        return ctx.attempt

    policy = RetryPolicy(max_attempts=3, delay=4 * backend.beat, backoff=1, jitter=0)
    run = await backend.launch(create_flow("flaky").node("call", flaky, retries=policy))
    for number in (1, 2):
        await _until_tried(backend, tried, number)
        await backend.clock.sleep(backend.beat)
        await backend.kill()
        await backend.staff()
    expect.completed(await run.result())
    expect.equal("the attempts", sorted(set(tried)), [1, 2, 3])


# --- reconcilers ------------------------------------------------------------------------------------------------------


@SLOW_RECONCILED.check_durable
async def twice(backend: Durable) -> None:
    """Its effects come once, and the way not taken never runs."""
    flow = create_flow("slow").node("ask", takes(backend.clock, backend.hour, 1)).node("yes", adds("count"))
    flow.node("no", fails("the way not taken")).node("end", echo)
    flow.edge("ask", "yes", condition="input > 0").edge("ask", "no", condition="input < 0")
    run = await backend.launch(flow.edge("yes", "end").edge("no", "end"))
    for _ in range(4):
        await backend.clock.sleep(backend.hour / 5)
        await backend.reconcile()
    result = await run.result()
    expect.completed(result, ran=["ask", "yes", "end"])
    expect.equal("the context", result.context, {"count": 1})


@SLOW_RECONCILED.check_durable
async def for_a_long_time(backend: Durable) -> None:
    """A step that outlasts many rounds does not fail its run while its worker lives."""
    flow = create_flow("slow").node("slow", takes(backend.clock, 100 * backend.beat, 1))
    backend.deploy(flow)
    await backend.staff(2, reconcile_interval=backend.beat)
    await (await backend.client()).start("slow", run_id="slow")
    await backend.pass_checks("slow")
    expect.completed(await backend.run_of("slow").result(), ran=["slow"])


@MANY_STALLED.check_durable
async def over_many_pages(backend: Durable) -> None:
    """Every one of them is revived, and ends."""
    number, tally = backend.stalled, Tally()
    backend.deploy(create_flow("stalled").node("only", tally.step))
    client = await backend.client()
    for _ in range(0, number, 100):
        await asyncio.gather(*(client.start("stalled") for _ in range(100)))
    await backend.lose_messages()
    await backend.clock.sleep(backend.beat / 10)
    backend.workers = 0
    await backend.pass_time(600.0)
    revived = 0
    for _ in range(3):
        revived += (await backend.reconcile()).revived
    # A page may be behind the times and show one again that was revived just now.
    expect.at_most("how many were missed", number - revived, 0)
    backend.workers = 3
    await backend.staff()
    found = 0
    end = backend.clock.now() + 100 * backend.hour
    while found < number and backend.clock.now() < end:
        await backend.clock.sleep(5 * backend.beat)
        if len(tally.executed) >= number:  # not sooner: listing them all is much to ask of an emulator
            found = len([run async for run in client.runs("completed")])
    expect.equal("how many have ended", found, number)


async def _lost_at(backend: Durable, flow: FlowBuilder, number: int, lose: Callable[[], Any]) -> tuple[RunResult, bool]:
    made = 0

    async def around(operation: str, call: Call) -> Any:
        nonlocal made
        result = await call()
        if operation != "queue.receive":
            made += 1
            if made == number:
                await lose()
        return result

    backend.around = around
    backend.deploy(flow)
    await backend.staff(2, visibility=20.0, reconcile_interval=20.0)
    run_id = (await (await backend.client()).start(flow.id)).run_id
    return await backend.run_of(run_id).result(), made >= number


@WIPED.check_durable
async def at_any_moment(backend: Durable) -> None:
    """The reconciler brings the run to its end, with the result of a clean run."""
    for flow in flows():
        expected = await clean_run(flow)
        for what in ("messages", "coordination"):
            for number in backend.moments:
                fresh = type(backend)()
                lose = fresh.lose_messages if what == "messages" else fresh.lose_coordination
                try:
                    result, reached = await _lost_at(fresh, flow, number, lose)
                finally:
                    await fresh.close()
                same(f"{flow.id!r}, {what} lost at call {number}", result, expected)
                if not reached:
                    break


@THROTTLED.check_durable
async def every_third_call(backend: Durable) -> None:
    """Every third call fails, in turn before it is applied and after: the result is that of a clean run."""
    for flow in flows():
        made = 0

        async def around(operation: str, call: Call) -> Any:
            nonlocal made
            made += 1
            if made % 6 == 3:
                raise TransientError("throttled")
            result = await call()
            if made % 6 == 0 and operation != "queue.receive":
                raise TransientError("the answer was lost")
            return result

        backend.around = around
        same(f"{flow.id!r} with failing calls", await backend.run(flow), await clean_run(flow))
