"""Scenarios 35 and 39 to 41: which of two values stands, and that what was decided stays so."""

from __future__ import annotations

import expect
from backend import Backend
from durable_backend import Durable
from flowcraft_core import FlowBuilder, create_flow
from scenario import Scenario
from small_steps import AsyncStep, Context, adds, echo, fails, gives, sets, total

PARALLEL_SETS = Scenario(id=35, title="Two parallel nodes set context values: different names both stand, one by rule")
DIAMONDS = Scenario(id=39, title="Twelve diamonds stand in a row: the right result, and each node runs once")
DECIDED = Scenario(id=40, title="What a decision was based on changes later: the decision stands, also after a restart")
LAST_VALUE = Scenario(
    id=41, title="Two nodes of a loop set one name, past the tenth pass: the causally last value stands"
)


# --- context values ---------------------------------------------------------------------------------------------------


def _parallel(a: AsyncStep, b: AsyncStep, *, before_a: str = "start") -> FlowBuilder:
    flow = create_flow("parallel").node("start", gives(0)).node("a", a).node("b", b).node("see", echo, inputs="name")
    if before_a != "start":
        flow.node(before_a, echo).edge("start", before_a)
    return flow.edge(before_a, "a").edge("start", "b").edge("a", "see").edge("b", "see")


@PARALLEL_SETS.check
async def of_different_names(backend: Backend) -> None:
    """Nothing is lost, in whatever order they come."""
    for beats_a, beats_b in ((1, 2), (2, 1), (1, 1)):
        a = sets(backend.clock, beats_a * backend.beat, left=1)
        b = sets(backend.clock, beats_b * backend.beat, right=2)
        result = await backend.run(_parallel(a, b), context={"left": 0, "right": 0, "other": 3})
        expect.completed(result)
        expect.equal("the context", result.context, {"left": 1, "right": 2, "other": 3})


@PARALLEL_SETS.check
async def of_one_name(backend: Backend) -> None:
    """The deeper node's value stands; of two of one depth, that of the greater id; whoever was faster."""
    for beats_a, beats_b in ((1, 2), (2, 1), (1, 1)):
        a = sets(backend.clock, beats_a * backend.beat, name="a")
        b = sets(backend.clock, beats_b * backend.beat, name="b")
        for flow, value in ((_parallel(a, b), "b"), (_parallel(a, b, before_a="before"), "a")):
            result = await backend.run(flow)
            expect.completed(result)
            expect.equal("what a later node saw", result.outputs["see"], value)
            expect.equal("the context", result.context, {"name": value})


@LAST_VALUE.check
async def in_twelve_passes(backend: Backend) -> None:
    """The value of the last node of the last pass stands: passes compare as numbers."""

    async def first(ctx: Context) -> None:
        await ctx.context.set("last", f"a{await ctx.context.get('n')}")

    async def second(ctx: Context) -> str:
        await ctx.context.set("last", f"b{await ctx.context.get('n')}")
        return "set"

    flow = create_flow("passes").node("count", adds("n")).node("a", first).node("b", second).edge("count", "a")
    flow.edge("a", "b").loop("again", start="count", end="b", condition="n < 12").wait("pause").edge("again", "pause")
    run = await backend.launch(flow.node("look", echo, inputs="last").edge("pause", "look"))
    await run.restart()
    await run.resume("pause")
    result = await run.result()
    expect.completed(result)
    expect.equal("what a later node saw", result.outputs["look"], "b12")
    expect.equal("the context", result.context, {"n": 12, "last": "b12"})


@LAST_VALUE.check
async def in_twelve_items(backend: Backend) -> None:
    """The last item's value stands, though it was set first."""

    async def note(ctx: Context) -> None:
        await backend.clock.sleep((12 - ctx.input) * backend.beat / 4)  # the first items come last
        await ctx.context.set("last", ctx.input)

    flow = create_flow("items").batch("each", note, items="all").node("see", echo, inputs="last").edge("each", "see")
    result = await backend.run(flow, context={"all": list(range(12))})
    expect.completed(result)
    expect.equal("what a later node saw", result.outputs["see"], 11)
    expect.equal("the value at the end", result.context["last"], 11)


# --- decisions --------------------------------------------------------------------------------------------------------


@DIAMONDS.check
async def twelve(backend: Backend) -> None:
    """Nothing runs twice, though there are 4,096 ways through."""
    flow, nodes = _diamonds()
    result = await backend.run(flow)
    expect.completed(result, ran=nodes)
    expect.equal("the result", result.outputs["n12"], 2**12)


@DIAMONDS.check_durable
async def with_every_message_doubled(backend: Durable) -> None:
    """The result is right, with at most three times the messages of a clean run."""
    flow, nodes = _diamonds()
    backend.deploy(flow)
    sent: list[int] = []
    for backend.doubling in (False, True):
        await backend.start("diamonds", run_id=f"doubled: {backend.doubling}")
        result = await backend.run_of(f"doubled: {backend.doubling}").result()
        expect.completed(result, ran=nodes)
        expect.equal("the result", result.outputs["n12"], 2**12)
        await backend.clock.sleep(10 * backend.beat)
        sent.append(backend.messages - sum(sent))
    expect.at_most("the messages, where each is doubled", sent[1], 3 * sent[0])


def _diamonds() -> tuple[FlowBuilder, list[str]]:
    flow = create_flow("diamonds").node("n0", gives(1))
    nodes = ["n0"]
    for number in range(1, 13):
        before, left, right, after = f"n{number - 1}", f"l{number}", f"r{number}", f"n{number}"
        flow.node(left, echo).node(right, echo).node(after, total)
        flow.edge(before, left).edge(before, right).edge(left, after).edge(right, after)
        nodes += [left, right, after]
    return flow, nodes


@DECIDED.check
async def by_a_condition(backend: Backend) -> None:
    """The way that was taken goes on, and the other one never runs."""
    flow = create_flow("decided").node("decide", echo).node("left", sets(backend.clock, mode="right")).wait("pause")
    flow.node("right", fails("the way that was not taken")).node("end", echo, join="any")
    flow.edge("decide", "left", condition="context.mode == 'left'").edge("left", "pause").edge("pause", "end")
    flow.edge("decide", "right", condition="context.mode == 'right'").edge("right", "end")
    run = await backend.launch(flow, context={"mode": "left"})
    waiting = await run.result()
    expect.status(waiting, "awaiting")
    expect.equal("the context", waiting.context, {"mode": "right"})
    await run.restart()
    await run.resume("pause")
    expect.completed(await run.result(), ran=["decide", "left", "pause", "end"])


@DECIDED.check
async def by_a_list_of_items(backend: Backend) -> None:
    """The items are those that there were when the batch began."""
    item = create_flow("item").node("begin", echo).wait("pause").node("end", echo, inputs="begin")
    item.edge("begin", "pause").edge("pause", "end")
    flow = (
        create_flow("scattered")
        .batch("each", item, items="list")
        .node("change", sets(backend.clock, backend.beat, list=["x"]))
    )
    run = await backend.launch(flow, item, context={"list": ["a", "b"]})
    waiting = await run.result()
    expect.equal("the context", waiting.context, {"list": ["x"]})
    await run.restart()
    for key in ("each[1]/pause", "each[0]/pause"):
        await run.resume(key)
    result = await run.result()
    expect.completed(result)
    expect.equal("what was gathered", result.outputs["each"], ["a", "b"])
