"""Scenarios 62 and 63: what becomes of ``any`` joins when nobody is left to claim them, and of those behind them."""

from __future__ import annotations

import expect
from backend import Backend
from durable_backend import Durable
from flowcraft_core import FlowBuilder, ResumeError, create_flow
from scenario import Scenario
from small_steps import echo, gives

UNCLAIMED = Scenario(
    id=62,
    title="A resume ends after its outcome and before its job, ahead of an 'any' join: the reconciler claims it",
    absent={"in-process": "a resume is a call in the program that drives the run: they end together"},
)
OPEN_WAY = Scenario(
    id=63, title="A node has a way into an 'any' join that has fired and one into an open one: it runs all the same"
)


# --- nobody is left to claim ------------------------------------------------------------------------------------------


def _two_waits(flow: FlowBuilder) -> FlowBuilder:
    """Whichever of two waits is resumed goes on."""
    flow.wait("w1").wait("w2").node("join", echo, join="any").edge("w1", "join").edge("w2", "join")
    return flow.node("end", echo).edge("join", "end")


async def _claimed(backend: Durable, flow: FlowBuilder, wait: str, *called: FlowBuilder) -> None:
    run = await backend.launch(flow, *called, run_id=flow.id)
    expect.status(await run.result(), "awaiting")
    await backend.cut(lambda client: client.resume(flow.id, wait, output="an answer"))
    await backend.until_ended(flow.id)
    result = await run.result()
    expect.completed(result)
    expect.equal("what came out at the end", result.outputs["last"], "an answer")


@UNCLAIMED.check_durable
async def at_the_top(backend: Durable) -> None:
    """The run completes with the answer, and the other wait is of no use any more."""
    flow = _two_waits(create_flow("two waits")).node("last", echo).edge("end", "last")
    await _claimed(backend, flow, "w1")
    with expect.refused(ResumeError, "two waits"):
        await backend.run_of(flow.id).resume("w2", output="another")


@UNCLAIMED.check_durable
async def inside_of_constructs(backend: Durable) -> None:
    """The same in a called flow, in a loop's pass, and in an item of a batch."""
    called = _two_waits(create_flow("called"))
    call = create_flow("calls").subflow("call", called).node("last", echo).edge("call", "last")
    await _claimed(backend, call, "call/w2")
    loop = create_flow("loops").node("first", echo).wait("w1").wait("w2").node("end", echo, join="any")
    loop.edge("first", "w1").edge("first", "w2").edge("w1", "end").edge("w2", "end")
    loop.loop("again", start="first", end="end", condition="false").node("last", echo).edge("again", "last")
    await _claimed(backend, loop, "again[0].w2")
    item = _two_waits(create_flow("item"))
    batch = create_flow("batches").node("list", gives([1])).batch("each", item).node("last", echo)
    batch.edge("list", "each").edge("each", "last", transform="input[0]")
    await _claimed(backend, batch, "each[0]/w1", item)


# --- one way is closed, another open ----------------------------------------------------------------------------------


def _half_open(flow: FlowBuilder) -> FlowBuilder:
    """``start`` claims ``fired`` at once; ``open`` has nobody but ``middle``."""
    for name in ("start", "middle"):
        flow.node(name, gives(name))
    for name in ("fired", "open"):
        flow.node(name, echo, join="any")
    flow.edge("start", "fired").edge("start", "middle").edge("middle", "fired").edge("middle", "open")
    return flow.edge("start", "open", condition="false")


@OPEN_WAY.check
async def in_a_run(backend: Backend) -> None:
    """It runs, and so does what is behind it."""
    result = await backend.run(_half_open(create_flow("half open")))
    expect.completed(result, ran=["start", "middle", "fired", "open"])
    expect.equal("what each join got", (result.outputs["fired"], result.outputs["open"]), ("start", "middle"))


@OPEN_WAY.check
async def deeper_down(backend: Backend) -> None:
    """The same where the node has a chain before each of the joins, and in the items of a batch."""
    chain = create_flow("with a chain")
    for name in ("start", "middle", "left", "right"):
        chain.node(name, gives(name))
    chain.node("fired", echo, join="any").node("open", echo, join="any")
    chain.edge("start", "fired").edge("start", "middle").edge("middle", "left").edge("middle", "right")
    chain.edge("left", "fired").edge("right", "open").edge("start", "open", condition="false")
    result = await backend.run(chain)
    expect.completed(result)
    expect.equal("what the open join got", result.outputs["open"], "right")
    item = _half_open(create_flow("item"))
    batch = create_flow("in a batch").node("list", gives([1, 2, 3])).batch("each", item).edge("list", "each")
    result = await backend.run(batch, item)
    expect.completed(result)
    expect.equal("how often it ran", expect.passes(result, "open"), 3)
