"""Scenarios 25, 26, 32, 38 and 42 to 44: what queues and workers do to a run's jobs."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import expect
from clean_runs import clean_run, flows, same
from durable_backend import Durable
from flowcraft_core import create_flow
from flowcraft_core.durable.worker import Worker
from flowcraft_core.jobs import Job, decode_job, encode_job
from flowcraft_testkit.contracts.interposed import Call
from scenario import Scenario
from small_steps import Context, Tally, echo, gives

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


# --- doubled and long -------------------------------------------------------------------------------------------------


@DOUBLED.check_durable
async def each_flow(backend: Durable) -> None:
    """The result is that of a clean run."""
    backend.doubling = True
    for flow in flows():
        same(f"{flow.id!r} with doubled jobs", await backend.run(flow), await clean_run(flow))


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


# --- workers that end, idle, or cannot go on --------------------------------------------------------------------------


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
    jobs: set[str] = set()

    async def around(operation: str, call: Call) -> Any:
        result = await call()
        if operation == "queue.receive":
            jobs.update(job.id for job in (decode_job(each.body) for each in result) if job.run_id == "poisoned")
        return result

    async def deadly(ctx: Context) -> None:
        attempts.append(ctx.attempt)
        await backend.kill_own()
        await asyncio.Event().wait()

    backend.around = around
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
    # So often each for the first job, and for the few that reconcilers have sent meanwhile. The last may die beside it.
    expect.at_most("the jobs", len(jobs), 4)
    expect.at_most("the executions", len(attempts), 5 * len(jobs))
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
    await backend.until_given_up("stranger")
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
