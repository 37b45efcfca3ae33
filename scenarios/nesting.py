"""Scenarios 15 to 17: loops, batches, subflows."""

from __future__ import annotations

import expect
from backend import Backend
from flowcraft_core import FlowBuilder, create_flow
from scenario import Scenario
from small_steps import Context, adds, double, echo, gives, total

LOOPS = Scenario(id=15, title="A loop of five passes, of three nodes, nested, with a branch inside: as many as it says")
BATCHES = Scenario(
    id=16, title="A batch of three, of none, of 1,000, with failing items: gathered in order, by its policy"
)
SUBFLOWS = Scenario(
    id=17, title="A flow is called by another, waits inside, is called in a batch in a loop: as if inline"
)


@LOOPS.check
async def of_one_node(backend: Backend) -> None:
    """Five passes, each with its own key; what follows gets the last pass's output."""
    flow = create_flow("count").node("tick", adds("count"))
    flow.loop("again", start="tick", end="tick", condition="count < 5")
    result = await backend.run(flow.node("end", echo).edge("again", "end"))
    expect.completed(result)
    ticks = [key for key in expect.keys(result) if key.endswith(".tick")]
    expect.equal("the passes", ticks, [f"again[{number}].tick" for number in range(5)])
    expect.equal("what followed the loop got", result.outputs["end"], 5)


@LOOPS.check
async def of_three_nodes(backend: Backend) -> None:
    """Each node of the body runs once per pass."""
    flow = create_flow("three").node("start", gives(0)).node("a", echo).node("b", adds("count")).node("c", echo)
    flow.edge("start", "a").edge("a", "b").edge("b", "c")
    result = await backend.run(flow.loop("again", start="a", end="c", condition="result.output < 5"))
    expect.completed(result)
    for node in ("a", "b", "c"):
        expect.equal(f"the passes of {node!r}", expect.passes(result, node), 5)


@LOOPS.check
async def nested(backend: Backend) -> None:
    """The inner loop begins anew in each pass of the outer one."""
    flow = create_flow("nested").node("outer-start", adds("outer")).node("clear", _clear).node("inner", adds("inner"))
    flow.node("outer-end", echo).edge("outer-start", "clear").edge("clear", "inner").edge("inside", "outer-end")
    flow.loop("inside", start="inner", end="inner", condition="inner < 2")
    result = await backend.run(flow.loop("outside", start="outer-start", end="outer-end", condition="outer < 3"))
    expect.completed(result)
    inner = [key for key in expect.keys(result) if key.endswith(".inner")]
    passes = [f"outside[{outer}].inside[{inner}].inner" for outer in range(3) for inner in range(2)]
    expect.equal("the passes of the inner loop", inner, passes)


async def _clear(ctx: Context) -> None:
    await ctx.context.delete("inner")


@LOOPS.check
async def with_a_branch_inside(backend: Backend) -> None:
    """Each pass takes its own branch, and the join at its end takes either."""
    flow = create_flow("branch").node("pick", adds("count")).node("odd", echo).node("even", echo).node("meet", echo)
    flow.edge("pick", "odd", condition="input == 1 || input == 3 || input == 5")
    flow.edge("pick", "even", condition="input == 2 || input == 4").edge("odd", "meet").edge("even", "meet")
    result = await backend.run(flow.loop("again", start="pick", end="meet", condition="count < 5"))
    expect.completed(result)
    for node, passes in (("pick", 5), ("odd", 3), ("even", 2), ("meet", 5)):
        expect.equal(f"the passes of {node!r}", expect.passes(result, node), passes)


@BATCHES.check
async def of_three_summed(backend: Backend) -> None:
    """The results are in the order of the items, though they come in the reverse order."""

    async def later_comes_sooner(ctx: Context) -> int:
        await backend.clock.sleep((4 - ctx.input / 10) * backend.beat)
        return int(ctx.input)

    flow = create_flow("sum").node("list", gives([10, 20, 30])).batch("each", later_comes_sooner)
    result = await backend.run(flow.node("total", total).edge("list", "each").edge("each", "total"))
    expect.completed(result)
    expect.equal("what was gathered", result.outputs["each"], [10, 20, 30])
    expect.equal("the sum", result.outputs["total"], 60)


@BATCHES.check
async def of_none(backend: Backend) -> None:
    """The gather gives an empty list, and the run goes on."""
    flow = create_flow("none").node("list", gives([])).batch("each", echo).node("total", total)
    result = await backend.run(flow.edge("list", "each").edge("each", "total"))
    expect.completed(result)
    expect.equal("what was gathered", result.outputs["each"], [])
    expect.equal("the sum", result.outputs["total"], 0)


@BATCHES.check
async def of_a_thousand(backend: Backend) -> None:
    """Every result is there, in order."""
    flow = create_flow("thousand").batch("each", double, items="items")
    result = await backend.run(flow, context={"items": list(range(1_000))}, concurrency=10)
    expect.completed(result)
    expect.equal("what was gathered", result.outputs["each"], [2 * number for number in range(1_000)])


async def _odd_ones_fail(ctx: Context) -> int:
    if ctx.input % 2:
        raise ValueError(f"{ctx.input} is odd")
    return int(ctx.input)


def _failing(count: int = 0, percentage: float = 0) -> FlowBuilder:
    flow = create_flow("failing").node("list", gives([0, 1, 2, 3])).edge("list", "each")
    return flow.batch("each", _odd_ones_fail, tolerated_failure_count=count, tolerated_failure_percentage=percentage)


@BATCHES.check
async def with_failures_that_are_tolerated(backend: Backend) -> None:
    """Each error stands in the place of its item's result."""
    for flow in (_failing(count=2), _failing(percentage=50)):
        result = await backend.run(flow)
        expect.completed(result)
        gathered = result.outputs["each"]
        expect.equal("the items that went well", [gathered[0], gathered[2]], [0, 2])
        errors = [gathered[place]["error"]["message"] for place in (1, 3)]
        expect.equal("the errors in their places", errors, ["1 is odd", "3 is odd"])


@BATCHES.check
async def with_too_many_failures(backend: Backend) -> None:
    """The run fails with the errors of the items."""
    for flow in (_failing(count=1), _failing(percentage=49)):
        result = await backend.run(flow)
        expect.status(result, "failed")
        expect.equal("the errors", sorted(error.message for error in result.errors), ["1 is odd", "3 is odd"])


@BATCHES.check
async def with_a_failure_and_no_tolerance(backend: Backend) -> None:
    """The run fails with an item's error, whichever item fails first."""
    result = await backend.run(_failing())
    expect.status(result, "failed")
    expect.mentions("the error", result.errors[0].message, "is odd")


def _called() -> FlowBuilder:
    return create_flow("called").node("first", echo).node("second", double).edge("first", "second")


@SUBFLOWS.check
async def called_once(backend: Backend) -> None:
    """The call gets the input, its last node's output comes back, and its nodes have keys of their own."""
    flow = create_flow("calling").node("start", gives(21)).subflow("call", "called").node("end", echo)
    result = await backend.run(flow.edge("start", "call").edge("call", "end"), _called())
    expect.completed(result)
    expect.equal("what came back", result.outputs["end"], 42)
    inside = [key for key in expect.keys(result) if key.startswith("call/")]
    expect.equal("what ran inside", inside, ["call/first", "call/second"])


@SUBFLOWS.check
async def with_names_in_and_out(backend: Backend) -> None:
    """The call sees the context values that it is given, and the caller those that it asks for; no others."""

    async def add(ctx: Context) -> None:
        await ctx.context.set("sum", await ctx.context.get("a") + await ctx.context.get("b"))

    called = create_flow("called").node("add", add)
    flow = create_flow("calling").node("start", gives(2))
    flow.subflow("call", called, inputs={"a": "start", "b": "three"}, outputs={"answer": "sum"}).edge("start", "call")
    result = await backend.run(flow, called, context={"three": 3})
    expect.completed(result)
    expect.equal("the context of the caller", result.context, {"three": 3, "answer": 5})


@SUBFLOWS.check
async def with_a_wait_inside(backend: Backend) -> None:
    """The wait is resumed by its key, and the caller goes on; after a restart too."""
    called = create_flow("called").node("first", echo).wait("ask").node("second", double)
    flow = (
        create_flow("calling")
        .node("start", gives(1))
        .subflow("call", called.edge("first", "ask").edge("ask", "second"))
    )
    flow.node("end", echo).edge("start", "call").edge("call", "end")
    for restarted in (False, True):
        run = await backend.launch(flow, called)
        waiting = await run.result()
        expect.status(waiting, "awaiting")
        expect.equal("what it waits for", waiting.waiting, ("call/ask",))
        if restarted:
            await run.restart()
        await run.resume("call/ask", output=50)
        result = await run.result()
        expect.completed(result)
        expect.equal("what came back", result.outputs["end"], 100)


@SUBFLOWS.check
async def in_a_batch_in_a_loop(backend: Backend) -> None:
    """Every pass calls the flow for every item of what the pass before gave."""

    async def count(ctx: Context) -> object:
        await ctx.context.set("done", await ctx.context.get("done", 0) + 1)
        return ctx.input

    called = _called()
    item = create_flow("item").subflow("call", called)
    flow = create_flow("deep").node("list", gives([1, 2, 3])).node("start", echo).batch("each", item)
    flow.node("count", count).edge("list", "start").edge("start", "each").edge("each", "count")
    flow.loop("again", start="start", end="count", condition="done < 3")
    result = await backend.run(flow.node("end", echo).edge("again", "end"), item, called)
    expect.completed(result)
    expect.equal("what came out", result.outputs["end"], [8, 16, 24])
    deepest = [key for key in expect.keys(result) if key.endswith("/second")]
    expected = [f"again[{turn}].each[{place}]/call/second" for turn in range(3) for place in range(3)]
    expect.equal("what ran at the bottom", sorted(deepest), expected)
