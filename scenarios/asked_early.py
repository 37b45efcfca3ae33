"""Scenario 55: answers that come before their questions."""

from __future__ import annotations

import expect
from backend import Backend
from durable_backend import Durable
from flowcraft_core import FlowBuilder, ResumeError, create_flow
from flowcraft_core.durable import UnknownRunError
from scenario import Scenario
from small_steps import Context, echo, gives, takes

EARLY = Scenario(
    id=55,
    title="A wait is answered before it is reached, at that moment, twice, in vain: the first answer ends it at once",
)


async def _one_more(ctx: Context) -> int:
    return int(ctx.input) + 1


def _approval(backend: Backend) -> FlowBuilder:
    flow = create_flow("approval").node("first", takes(backend.clock, backend.hour)).wait("ask")
    flow.node("pay", echo).node("refund", echo).edge("first", "ask")
    return flow.edge("ask", "pay", action="approve").edge("ask", "refund", action="reject")


@EARLY.check
async def before_it_is_reached(backend: Backend) -> None:
    """The wait ends with the answer as soon as the run comes to it; a second answer is told that one stands."""
    began = backend.clock.now()
    run = await backend.launch(_approval(backend))
    await run.resume("ask", output=42, action="approve", early=True)
    for early in (True, False):
        with expect.refused(ResumeError, "ask", "already"):
            await run.resume("ask", action="reject", early=early)
    result = await run.result()
    expect.completed(result, ran=["first", "ask", "pay"])
    expect.equal("what followed got", result.outputs["pay"], 42)
    expect.took(result, began, backend.hour, backend)


@EARLY.check
async def at_the_same_moment(backend: Backend) -> None:
    """Whichever of the two comes first, the run goes on with the answer."""
    flow = create_flow("meeting").wait("ask").node("after", _one_more).edge("ask", "after")
    for number in range(8):
        run = await backend.launch(flow)
        await run.resume("ask", output=number, early=True)
        result = await run.result()
        expect.completed(result, ran=["ask", "after"])
        expect.equal("what followed gave", result.outputs["after"], number + 1)


@EARLY.check
async def once_it_is_open(backend: Backend) -> None:
    """Then it is resumed, as without ``early``; after a restart too, which forgets no answer."""
    for restarted in (False, True):
        flow = create_flow("two").wait("hold").wait("ask").node("after", echo).edge("hold", "ask").edge("ask", "after")
        run = await backend.launch(flow)
        await run.resume("ask", output="early", early=True)
        expect.equal("what it waits for", (await run.result()).waiting, ("hold",))
        if restarted:
            await run.restart()
        await run.resume("hold", early=True)
        result = await run.result()
        expect.completed(result, ran=["hold", "ask", "after"])
        expect.equal("what followed got", result.outputs["after"], "early")


@EARLY.check
async def inside_of_constructs(backend: Backend) -> None:
    """Items, passes and calls that there are not yet are named by their keys."""
    inner = create_flow("page").wait("ask").node("after", _one_more).edge("ask", "after")
    flow = create_flow("book").node("first", takes(backend.clock, backend.hour)).node("src", gives([1, 2]))
    flow.batch("pages", inner).node("head", echo).wait("again").subflow("call", inner).edge("first", "src")
    flow.edge("src", "pages").edge("pages", "head").edge("head", "again").edge("read", "call")
    flow.loop("read", start="head", end="again", condition="result.output < 2")
    run = await backend.launch(flow)
    with expect.refused(ResumeError, "'ask'", "pages[0]/ask"):
        await run.resume("ask", early=True)
    answers = {"pages[1]/ask": 20, "pages[0]/ask": 10, "read[0].again": 1, "read[1].again": 2, "call/ask": 7}
    for key, output in answers.items():
        await run.resume(key, output=output, early=True)
    result = await run.result()
    expect.completed(result)
    found = {node: result.outputs[node] for node in ("pages", "read", "call")}
    expect.equal("what the constructs gave", found, {"pages": [11, 21], "read": 2, "call": 8})


@EARLY.check
async def never_asked(backend: Backend) -> None:
    """An answer to a way that is never taken, to a pass and an item that never are: nothing comes of it."""
    inner = create_flow("page").wait("ask")
    flow = create_flow("unasked").node("first", takes(backend.clock, backend.hour)).wait("never").batch("pages", inner)
    flow.edge("first", "never", condition="false").edge("never", "pages")
    run = await backend.launch(flow)
    for key in ("never", "pages[3]/ask"):
        await run.resume(key, output=1, early=True)
    result = await run.result()
    expect.completed(result, ran=["first"])


@EARLY.check
async def what_there_is_not(backend: Backend) -> None:
    """Unknown nodes, nodes that are no waits, and ended runs are told apart, by name."""
    run = await backend.launch(_approval(backend), run_id="a-run")
    with expect.refused(ResumeError, "nothing-like-it", "ask"):
        await run.resume("nothing-like-it", early=True)
    with expect.refused(ResumeError, "first", "no wait"):
        await run.resume("first", early=True)
    await run.resume("ask", action="reject", early=True)
    expect.completed(await run.result(), ran=["first", "ask", "refund"])
    with expect.refused(ResumeError, "a-run", "completed"):
        await run.resume("ask", early=True)


@EARLY.check_durable
async def unused_and_purged(backend: Durable) -> None:
    """A purge takes the answers that nobody asked for; a run of the same id knows nothing of them."""
    flow = create_flow("unused").node("first", echo).wait("ask").edge("first", "ask", condition="context.asks")
    backend.deploy(flow)
    await backend.staff()
    client = await backend.client()
    for asks in (False, True):
        # One that never asks would end before it is answered, if it began at once.
        await client.start(flow, {"asks": asks}, run_id="same", delay=0.0 if asks else backend.beat)
        if asks:
            await backend.clock.sleep(backend.beat)
            await client.resume("same", "ask", output="new", early=True)
        else:
            await client.resume("same", "ask", output="old", early=True)
        await backend.until_ended("same")
        expect.equal("what the wait gave", (await client.result("same")).outputs.get("ask"), "new" if asks else None)
        await backend.clock.sleep(backend.beat)
        await client.purge("same")
        with expect.refused(UnknownRunError, "same"):
            await client.resume("same", "ask", early=True)
        await backend.clock.sleep(backend.beat)  # until nobody reads any more what was there a moment ago


@EARLY.check_durable
async def while_its_worker_dies(backend: Durable) -> None:
    """Answered while nobody is at work, the run goes on with it once somebody is."""
    run = await backend.launch(_approval(backend))
    await backend.kill()
    await run.resume("ask", output=1, action="approve", early=True)
    await backend.lose_messages()
    await backend.staff()
    expect.completed(await run.result(), ran=["first", "ask", "pay"])
