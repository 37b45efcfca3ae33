"""Scenarios 25 to 32, 38 and 42 to 44: what queues, stores and dying processes do to a run."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import expect
from durable_backend import Durable
from flowcraft_core import FlowBuilder, FlowRuntime, RetryPolicy, RunResult, create_flow
from flowcraft_core.durable.worker import Worker
from flowcraft_core.errors import TransientError
from flowcraft_core.jobs import Job, encode_job
from flowcraft_testkit.contracts.interposed import Call
from scenario import Scenario
from small_steps import Context, Tally, adds, double, echo, fails, gives, takes, total

DOUBLED = Scenario(
    id=25,
    title="Every job comes twice, at once and later: one outcome each, and nothing follows twice",
    absent={"in-process": "nothing is delivered: an instance is handed to one worker, once"},
)
LONG_STEP = Scenario(
    id=26,
    title="A step outlasts the time for which its job is hidden: it runs once while its worker lives",
    absent={"in-process": "there are no jobs that could be hidden for a time"},
)
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
TERMINATED = Scenario(
    id=32,
    title="A worker gets SIGTERM: it takes no more jobs, and ends or releases its own in time",
    absent={"in-process": "there is no worker to drain: the program that runs the flow owns the run and cancels it"},
)
IDLE = Scenario(
    id=38,
    title="Workers are idle: they ask the queue no more often than its long poll or their back-off says",
    absent={"in-process": "there is no queue to ask"},
)
POISON = Scenario(
    id=42,
    title="A step kills its process each time: its run fails by name after some deliveries, others are untouched",
    absent={"in-process": "a step that kills the process ends every run in it, and there is nobody to count"},
)
PASSED_ON = Scenario(
    id=43,
    title="A job is passed on and on, since no worker has its step: kept until its time is up, then fails by name",
    absent={"in-process": "nothing is passed on: a step that is missing is refused before the run starts (6)"},
)
LONG_CHAIN = Scenario(
    id=44,
    title="A chain outlasts the queue's longest visibility, with one long step or none: no job is doubled or lost",
    absent={"in-process": "there is no queue, so nothing limits how long a run may take"},
)


# --- flows, each with what it gives when nothing goes wrong -----------------------------------------------------------


def _flows() -> list[FlowBuilder]:
    chain = create_flow("chain").node("a", gives(1)).node("b", double).node("c", double).edge("a", "b").edge("b", "c")
    fan = create_flow("fan").node("start", gives(1)).node("meet", total)
    for name in ("x", "y", "z"):
        fan.node(name, double).edge("start", name).edge(name, "meet")
    fork = create_flow("fork").node("ask", gives(1)).node("yes", echo).node("no", fails("the way not taken"))
    fork.node("end", echo).edge("ask", "yes", condition="input > 0").edge("ask", "no", condition="input < 0")
    fork.edge("yes", "end").edge("no", "end")
    loop = (
        create_flow("loop").node("tick", adds("count")).loop("again", start="tick", end="tick", condition="count < 3")
    )
    loop.node("end", echo).edge("again", "end")
    batch = create_flow("batch").node("list", gives([1, 2, 3])).batch("each", double).node("sum", total)
    batch.edge("list", "each").edge("each", "sum")
    race = create_flow("race").node("start", gives(1)).node("p", gives("first")).node("q", gives("first"))
    race.node("first", echo, join="any").edge("start", "p").edge("start", "q").edge("p", "first").edge("q", "first")
    failing = create_flow("failing").node("start", gives(1)).node("bad", fails("broken")).edge("start", "bad")
    return [chain, fan, fork, loop, batch, race, failing]


async def _in_process(flow: FlowBuilder) -> RunResult:
    return await FlowRuntime([flow]).run(flow)


def _same(what: str, result: RunResult, expected: RunResult) -> None:
    """Two runs ended alike, and each instance has one outcome; which of a race's mirrors won is left open."""

    def seen(one: RunResult) -> Any:
        outputs = {node: value for node, value in one.outputs.items() if node not in ("p", "q")}
        return one.status, outputs, one.context, [error.message for error in one.errors]

    expect.equal(what, seen(result), seen(expected))
    keys = expect.keys(result)
    expect.equal(f"{what}: instances with an outcome", len(keys), len(set(keys)))


# --- doubled, long, killed --------------------------------------------------------------------------------------------


@DOUBLED.check_durable
async def each_flow(backend: Durable) -> None:
    """The result is that of a clean run."""
    backend.doubling = True
    for flow in _flows():
        _same(f"{flow.id!r} with doubled jobs", await backend.run(flow), await _in_process(flow))


@DOUBLED.check_durable
async def later_again(backend: Durable) -> None:
    """Old jobs that come once more change nothing, while the run waits and after its end."""
    tally = Tally()
    flow = create_flow("again").node("a", tally.step).node("b", tally.step).wait("pause").node("c", tally.step)
    flow.edge("a", "b").edge("b", "pause").edge("pause", "c")
    run = await backend.launch(flow, run_id="again")
    await run.result()
    jobs = [encode_job(Job(id=f"old {key}", run_id="again", key=key)) for key in ("", "a", "b", "pause")]
    await backend.send(*jobs, *jobs)
    await backend.clock.sleep(4 * backend.beat)
    expect.status(await run.result(), "awaiting")
    await run.resume("pause")
    expect.completed(await run.result(), ran=["a", "b", "pause", "c"])
    await backend.send(*jobs)
    await backend.clock.sleep(4 * backend.beat)
    expect.completed(await run.result(), ran=["a", "b", "pause", "c"])
    # The first step may be executed by every job that says "start": what follows it may not.
    expect.equal("what was executed behind it", [key for key in tally.executed if key != "a"], ["b", "c"])
    expect.equal("the messages set aside", await backend.dead_letters(), [])


@LONG_STEP.check_durable
async def three_times_as_long(backend: Durable) -> None:
    """Its worker renews its hold, so that none of the others gets the job."""
    tally = Tally()

    async def long(ctx: Context) -> None:
        tally.executed.append(ctx.key)
        await backend.clock.sleep(60)

    backend.deploy(create_flow("long").node("long", long))
    await backend.staff(3, visibility=20.0, reconcile=False)
    run_id = (await (await backend.client()).start("long")).run_id
    expect.completed(await backend.run_of(run_id).result(), ran=["long"])
    expect.equal("what was executed", tally.executed, ["long"])


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
    backend.around = _as_it_is
    await backend.staff(2, visibility=20.0, reconcile_interval=20.0)
    return await backend.run_of(run_id).result(), made >= number


async def _as_it_is(operation: str, call: Call) -> Any:
    return await call()


@KILLED.check_durable
async def at_every_call(backend: Durable) -> None:
    """The result is that of a clean run, wherever the worker ends: at every call, or at some where time is real."""
    for flow in _flows():
        expected = await _in_process(flow)
        for moment in ("before", "after"):
            for number in backend.moments:
                fresh = type(backend)()
                try:
                    result, reached = await _killed_at(fresh, flow, number, moment)
                finally:
                    await fresh.close()
                _same(f"{flow.id!r}, killed {moment} call {number}", result, expected)
                if not reached:
                    break


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
    number, tally = 2_000, Tally()
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
    for flow in _flows():
        expected = await _in_process(flow)
        for what in ("messages", "coordination"):
            for number in backend.moments:
                fresh = type(backend)()
                lose = fresh.lose_messages if what == "messages" else fresh.lose_coordination
                try:
                    result, reached = await _lost_at(fresh, flow, number, lose)
                finally:
                    await fresh.close()
                _same(f"{flow.id!r}, {what} lost at call {number}", result, expected)
                if not reached:
                    break


# --- backends and workers that fail -----------------------------------------------------------------------------------


@THROTTLED.check_durable
async def every_third_call(backend: Durable) -> None:
    """Every third call fails, in turn before it is applied and after: the result is that of a clean run."""
    for flow in _flows():
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
        _same(f"{flow.id!r} with failing calls", await backend.run(flow), await _in_process(flow))


@TERMINATED.check_durable
async def while_steps_run(backend: Durable) -> None:
    """What ends within the grace time ends there, what does not is released; neither waits for the visibility."""
    begun: list[str] = []
    release = asyncio.Event()

    async def quick(ctx: Context) -> None:
        begun.append("quick")
        await release.wait()

    async def slow(ctx: Context) -> None:
        begun.append("slow")
        if begun.count("slow") == 1:
            await asyncio.Event().wait()

    backend.deploy(create_flow("quick").node("quick", quick).node("next", echo).edge("quick", "next"))
    backend.deploy(create_flow("slow").node("slow", slow))
    await backend.staff(1, visibility=10_000.0, grace=0.2, poll=1.0)
    client = await backend.client()
    await client.start("quick", run_id="quick")
    await client.start("slow", run_id="slow")
    await backend.until("both begin", lambda: len(begun) == 2)
    began = backend.clock.now()
    worker: Worker = backend.hands[0].worker
    worker.stop()
    release.set()
    await backend.leave()
    await client.start("quick", run_id="later")
    expect.equal("what the stopped worker has begun", sorted(begun), ["quick", "slow"])
    await backend.staff(1)
    for run_id in ("quick", "slow", "later"):
        expect.status(await backend.run_of(run_id).result(), "completed")
    expect.equal("what was executed in all", sorted(begun), ["quick", "quick", "slow", "slow"])
    expect.at_most("what it took", backend.clock.now() - began, 10 * backend.hour)


@IDLE.check_durable
async def for_a_while(backend: Durable) -> None:
    """One empty receive per worker and long poll."""
    await backend.staff(3, poll=20.0)
    await backend.clock.sleep(1.0)
    backend.calls.clear()
    await backend.clock.sleep(20.0 * 6)
    expect.at_most("the empty receives", backend.calls["queue.receive.empty"], 3 * 7)


@POISON.check_durable
async def in_one_process(backend: Durable) -> None:
    """The worker of the step is killed each time; the run fails by the step's name, and another completes."""
    attempts: list[int] = []

    async def deadly(ctx: Context) -> None:
        attempts.append(ctx.attempt)
        await backend.kill_one("poisoned")
        await asyncio.Event().wait()

    backend.deploy(create_flow("poison").node("deadly", deadly), create_flow("good").node("only", gives(1)))
    client = await backend.client()
    await client.start("poison", run_id="poisoned")
    for _ in range(40):
        while len(backend.hands) < 2:
            await backend.hire(visibility=20.0, reconcile_interval=20.0)
        await client.start("good")
        await backend.clock.sleep(10.0)
        if (await client.status("poisoned")).state == "failed":
            break
    result = await backend.run_of("poisoned").result()
    expect.failed(result, "deadly")
    expect.mentions("the error", result.errors[0].message, "delivered", "limit")
    # So often each for the first job and for one that a reconciler may have sent meanwhile.
    expect.at_most("the executions", len(attempts), 10)
    await backend.clock.sleep(2 * backend.beat)
    bad = [status.run_id async for status in client.runs("failed")]
    expect.equal("the runs that failed", bad, ["poisoned"])


@PASSED_ON.check_durable
async def until_its_time_is_up(backend: Durable) -> None:
    """The run fails with the reason, and not before the time limit."""
    await backend.staff(2)
    client = await backend.client()
    await client.start(create_flow("stranger").node("only", gives(1)), run_id="stranger")
    began = backend.clock.now()
    while backend.clock.now() < began + 500.0:
        await backend.clock.sleep(backend.beat)
        status = await client.status("stranger")
        expect.equal(f"the state before the time is up ({status.reason})", status.state, "running")
        await backend.pass_time(40.0 - backend.beat)
    for _ in range(10):
        await backend.clock.sleep(backend.beat)
        await backend.pass_time(40.0)
    status = await client.status("stranger")
    expect.equal("the state", status.state, "failed")
    expect.mentions("the reason", status.reason or "", "only")
    expect.equal("the messages set aside", await backend.dead_letters(), [])


@PASSED_ON.check_durable
async def until_somebody_comes(backend: Durable) -> None:
    """A worker that has the step takes the job, after many have passed it on."""
    await backend.staff(2)
    flow = create_flow("stranger").node("only", gives(1))
    await (await backend.client()).start(flow, run_id="stranger")
    for _ in range(6):
        await backend.clock.sleep(backend.beat)
        await backend.pass_time(40.0)
    backend.deploy(flow)
    await backend.staff()
    expect.completed(await backend.run_of("stranger").result(), ran=["only"])


async def _long_chain(backend: Durable, *seconds: float) -> None:
    tally = Tally()
    flow = create_flow("long")

    def step(pause: float) -> Callable[[Context], Any]:
        async def work(ctx: Context) -> Any:
            await tally.step(ctx)
            await backend.clock.sleep(pause)

        return work

    names = [f"n{number}" for number in range(len(seconds))]
    for name, pause in zip(names, seconds, strict=True):
        flow.node(name, step(pause))
    for before, after in itertools.pairwise(names):
        flow.edge(before, after)
    backend.limit_visibility(40.0)
    backend.deploy(flow)
    await backend.staff(3, visibility=20.0)
    run_id = (await (await backend.client()).start("long")).run_id
    expect.completed(await backend.run_of(run_id).result(), ran=names)
    expect.equal("what was executed", tally.executed, names)


@LONG_CHAIN.check_durable
async def of_short_steps(backend: Durable) -> None:
    """Each is executed once."""
    await _long_chain(backend, *[5.0] * 20)


@LONG_CHAIN.check_durable
async def with_one_long_step(backend: Durable) -> None:
    """Each is executed once, the long one too."""
    await _long_chain(backend, 5.0, 5.0, 100.0, 5.0)


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
