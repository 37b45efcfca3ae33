"""Scenarios 18 to 20, and 23: waiting, sleeping, cancelling."""

from __future__ import annotations

import asyncio
import itertools
import threading

import expect
from backend import Backend
from durable_backend import Durable
from flowcraft_core import FlowBuilder, ResumeError, SyncNodeContext, create_flow
from scenario import Scenario
from small_steps import Context, Tally, echo, gives, takes

WAITS = Scenario(id=18, title="A wait is resumed: only the way of its action runs; what cannot be resumed is refused")
SLEEPS = Scenario(id=19, title="A run sleeps 3 seconds, 20 minutes, 40 days: then it goes on, once, to the second")
TIMED_WAITS = Scenario(id=20, title="Nobody answers a wait that has a timeout: it takes the timeout's way")
CANCELLING = Scenario(
    id=23, title="A running, sleeping or waiting run is cancelled: once; nothing starts; steps are told"
)


# --- waits ------------------------------------------------------------------------------------------------------------


def _approval() -> FlowBuilder:
    flow = create_flow("approval").node("first", echo).wait("ask").node("pay", echo).node("refund", echo)
    return flow.edge("first", "ask").edge("ask", "pay", action="approve").edge("ask", "refund", action="reject")


@WAITS.check
async def with_an_action(backend: Backend) -> None:
    """Only the way of the action runs, with the output that the resume brings; after a restart too."""
    for restarted in (False, True):
        run = await backend.launch(_approval())
        waiting = await run.result()
        expect.status(waiting, "awaiting")
        expect.equal("what it waits for", waiting.waiting, ("ask",))
        if restarted:
            await run.restart()
        await run.resume("ask", output=42, action="approve")
        result = await run.result()
        expect.completed(result, ran=["first", "ask", "pay"])
        expect.equal("what followed got", result.outputs["pay"], 42)


@WAITS.check
async def twice(backend: Backend) -> None:
    """The second resume is told that the wait was resolved, and changes nothing."""
    run = await backend.launch(_approval().node("end", takes(backend.clock, backend.hour)).edge("pay", "end"))
    await run.result()
    await run.resume("ask", action="approve")
    with expect.refused(ResumeError, "ask", "already"):
        await run.resume("ask", action="reject")
    expect.completed(await run.result(), ran=["first", "ask", "pay", "end"])


@WAITS.check
async def too_early(backend: Backend) -> None:
    """A resume of a wait that was not reached yet is refused, and the wait can be resumed later."""
    run = await backend.launch(
        create_flow("early").node("first", takes(backend.clock, backend.hour)).wait("ask").edge("first", "ask")
    )
    with expect.refused(ResumeError, "ask", "not reached"):
        await run.resume("ask")
    expect.status(await run.result(), "awaiting")
    await run.resume("ask")
    expect.completed(await run.result(), ran=["first", "ask"])


@WAITS.check
async def of_an_ended_run(backend: Backend) -> None:
    """The resume is refused, and told how the run ended."""
    run = await backend.launch(create_flow("ended").wait("ask"), run_id="old-run")
    await run.result()
    await run.resume("ask")
    await run.result()
    with expect.refused(ResumeError, "old-run", "completed"):
        await run.resume("ask")


@WAITS.check
async def of_what_is_no_wait(backend: Backend) -> None:
    """An unknown node and a node that is no wait are told apart."""
    run = await backend.launch(_approval())
    await run.result()
    with expect.refused(ResumeError, "nothing-like-it", "ask"):
        await run.resume("nothing-like-it")
    with expect.refused(ResumeError, "first", "no wait"):
        await run.resume("first")


@WAITS.check
async def two_in_either_order(backend: Backend) -> None:
    """Each is resumed by itself; the join waits for both; restarts between change nothing."""
    flow = create_flow("two").wait("left").wait("right").node("meet", echo).edge("left", "meet").edge("right", "meet")
    for order, restarted in itertools.product((("left", "right"), ("right", "left")), (False, True)):
        run = await backend.launch(flow)
        expect.equal("what it waits for", sorted((await run.result()).waiting), ["left", "right"])
        for node in order:
            expect.status(await run.result(), "awaiting")
            if restarted:
                await run.restart()
            await run.resume(node, output=node.upper())
        result = await run.result()
        expect.completed(result, ran=["left", "right", "meet"])
        expect.equal("what the join got", result.outputs["meet"], {"left": "LEFT", "right": "RIGHT"})


# --- sleeps and timed waits -------------------------------------------------------------------------------------------


@SLEEPS.check
async def to_the_second(backend: Backend) -> None:
    """What follows runs after exactly that time, once, with what came before the sleep."""
    for duration, seconds in ((3, 3.0), ("20m", 20 * 60.0), ("40d", 40 * 86_400.0)):
        tally = Tally()
        flow = create_flow("sleeper").node("first", gives("f")).sleep("pause", duration).node("after", tally.step)
        began = backend.clock.now()
        run = await backend.launch(flow.edge("first", "pause").edge("pause", "after"))
        if seconds > backend.hour:
            await backend.clock.sleep(backend.beat)
            await backend.pass_time(seconds - 2 * backend.beat)
        result = await run.result()
        expect.completed(result, ran=["first", "pause", "after"])
        slept = result.trace[-1].started - began
        expect.lasts(f"how long it slept for {duration!r}", slept, seconds, backend)
        expect.equal("what the sleep handed on", result.outputs["after"], "f")
        expect.equal("what was executed after it", tally.executed, ["after"])


@SLEEPS.check_durable
async def while_every_message_is_lost(backend: Durable) -> None:
    """What follows runs after the time, once, though the job for it is gone and the workers are others."""
    tally = Tally()
    flow = create_flow("sleeper").node("first", gives("f")).sleep("pause", 1_200).node("after", tally.step)
    began = backend.clock.now()
    run = await backend.launch(flow.edge("first", "pause").edge("pause", "after"))
    await backend.clock.sleep(backend.beat)
    await backend.kill()
    await backend.lose_messages()
    await backend.pass_time(1_200 - 10 * backend.beat)
    result = await run.result()
    expect.completed(result, ran=["first", "pause", "after"])
    expect.at_most("how long it slept", result.trace[-1].started - began, 1_200 + 120)
    expect.equal("what was executed after it", tally.executed, ["after"])


@SLEEPS.check
async def side_by_side(backend: Backend) -> None:
    """Sleeps wake in the order of their ends, hold no worker, and a join waits for the longest."""
    flow = create_flow("sleepers").node("start", gives(0)).node("meet", echo)
    for days in (3, 1, 2):
        flow.sleep(f"s{days}", days * backend.day).edge("start", f"s{days}").edge(f"s{days}", "meet")
    began = backend.clock.now()
    result = await backend.run(flow, concurrency=1)
    expect.completed(result)
    expect.equal("the order of waking", expect.keys(result), ["start", "s1", "s2", "s3", "meet"])
    expect.took(result, began, 3 * backend.day, backend)


def _reminder(day: float) -> FlowBuilder:
    flow = create_flow("reminder").wait("ask", timeout=day).node("escalate", echo).node("pay", echo)
    flow.sleep("later", 2 * day).edge("ask", "escalate", action="timeout").edge("ask", "pay", action="approve")
    return flow.edge("pay", "later")


@TIMED_WAITS.check
async def unanswered(backend: Backend) -> None:
    """The timeout's way runs after exactly that time, and no other."""
    began = backend.clock.now()
    result = await backend.run(_reminder(backend.day))
    expect.completed(result, ran=["ask", "escalate"])
    expect.took(result, began, backend.day, backend)


@TIMED_WAITS.check
async def answered_in_time(backend: Backend) -> None:
    """The answer's way runs, and the timeout does not come after all."""
    run = await backend.launch(_reminder(backend.day))
    await backend.clock.sleep(backend.hour)
    await run.resume("ask", action="approve")
    # What follows lasts longer than the timeout: it must not come after all.
    expect.completed(await run.result(), ran=["ask", "pay", "later"])


# --- cancelling -------------------------------------------------------------------------------------------------------


async def _cancelled_once(backend: Backend, flow: FlowBuilder, *, ended: list[str]) -> None:
    """Start a flow, cancel it an hour later, and see that it ends so."""
    run = await backend.launch(flow)
    await backend.clock.sleep(backend.hour)
    began = backend.clock.now()
    expect.equal("what the first and the second call say", [await run.cancel(), await run.cancel()], [True, False])
    result = await run.result()
    expect.status(result, "cancelled")
    expect.equal("what has ended", expect.keys(result), ended)
    expect.lasts("what it still took", backend.clock.now() - began, 0.0, backend)
    with expect.refused(ResumeError, "cancelled"):
        await run.resume("ask")


@CANCELLING.check
async def while_it_runs(backend: Backend) -> None:
    """The step in flight is cancelled and can see it; what would follow does not run."""
    told: list[str] = []

    async def work(ctx: Context) -> None:
        try:
            await backend.clock.sleep(100 * backend.day)
        except asyncio.CancelledError:
            told.append("as a coroutine" if ctx.cancelled else "without ctx.cancelled")
            raise

    flow = create_flow("busy").node("first", echo).node("work", work).node("after", echo)
    await _cancelled_once(backend, flow.edge("first", "work").edge("work", "after"), ended=["first"])
    await backend.until("what is in flight is told", lambda: told)
    expect.equal("what the step in flight was told", told, ["as a coroutine"])


@CANCELLING.check
async def while_a_thread_works(backend: Backend) -> None:
    """A plain step is told through its context, and its run does not wait for it."""
    begun, told = asyncio.Event(), asyncio.Event()
    tell = asyncio.get_running_loop().call_soon_threadsafe
    pause = threading.Event()

    def work(ctx: SyncNodeContext[None, None]) -> None:
        tell(begun.set)
        while not ctx.cancelled:
            pause.wait(0.001)
        tell(told.set)

    run = await backend.launch(create_flow("threaded").node("work", work).node("after", echo).edge("work", "after"))
    await begun.wait()
    expect.equal("what the call says", await run.cancel(), True)
    result = await run.result()
    expect.status(result, "cancelled")
    expect.equal("what has ended", expect.keys(result), [])
    await told.wait()


@CANCELLING.check
async def while_it_sleeps(backend: Backend) -> None:
    """The run ends at once, not after the sleep."""
    flow = create_flow("asleep").node("first", echo).sleep("pause", "40d").node("after", echo)
    await _cancelled_once(backend, flow.edge("first", "pause").edge("pause", "after"), ended=["first"])


@CANCELLING.check
async def while_it_waits(backend: Backend) -> None:
    """The run ends, and its wait cannot be resumed any more."""
    flow = create_flow("waiting").node("first", echo).wait("ask").node("after", echo)
    await _cancelled_once(backend, flow.edge("first", "ask").edge("ask", "after"), ended=["first"])
