"""Scenarios 64 and 65: what a job that begins elsewhere, or sees nothing yet of what was written, makes of a loop."""

from __future__ import annotations

from typing import Any

import attrs
import expect
from backend import Backend
from durable_backend import Durable
from flowcraft_core import Clock, FlowBuilder, create_flow
from flowcraft_core.durable.engine import Settings
from flowcraft_testkit.contracts.interposed import Call
from scenario import Scenario
from small_steps import Context, adds, echo, gives
from stale_reads import StaleReads

FROM_OUTSIDE = Scenario(
    id=64, title="Inputs, conditions and transforms name a node inside a loop, read by another job: as in process"
)
STALE = Scenario(
    id=65,
    title="A loop has 2,000 passes, on three workers that see each other's facts late: it completes",
    absent={"in-process": "facts are kept in memory: whoever asks sees them"},
)


# --- from outside of a loop -------------------------------------------------------------------------------------------


def _counting(flow: FlowBuilder, to: int = 3) -> FlowBuilder:
    """A loop that counts, and a sleep behind it, so that another job goes on."""
    flow.node("a", adds("n")).loop("l", start="a", end="a", condition=f"n < {to}")
    return flow.sleep("nap", 0.1).edge("l", "nap")


@FROM_OUTSIDE.check
async def in_inputs(backend: Backend) -> None:
    """They are that node's output in the last pass."""
    flow = _counting(create_flow("inputs")).node("o", echo, inputs={"a": "a"}).node("p", echo, inputs="a")
    result = await backend.run(flow.edge("nap", "o").edge("o", "p"))
    expect.completed(result)
    expect.equal("what the nodes behind it got", (result.outputs["o"], result.outputs["p"]), ({"a": 3}, 3))


@FROM_OUTSIDE.check
async def in_expressions(backend: Backend) -> None:
    """A condition takes the edge, another does not, and a transform carries it."""
    flow = _counting(create_flow("expressions")).node("o", echo).node("yes", echo).node("no", echo).edge("nap", "o")
    flow.edge("o", "yes", condition="a == 3", transform="a + 1").edge("o", "no", condition="a != 3")
    result = await backend.run(flow)
    expect.completed(result)
    expect.equal("what the edge carried", result.outputs.get("yes"), 4)
    expect.equal("how often the other way was gone", expect.passes(result, "no"), 0)


@FROM_OUTSIDE.check
async def in_nested_loops(backend: Backend) -> None:
    """It is the last pass of the last."""
    flow = create_flow("nested").node("begin", echo).node("a", adds("n"))
    flow.loop("inner", start="a", end="a", condition="n % 3 != 0").node("close", echo)
    flow.edge("begin", "a").edge("inner", "close").loop("outer", start="begin", end="close", condition="n < 6")
    flow.sleep("nap", 0.1).edge("outer", "nap").node("o", echo, inputs={"a": "a", "close": "close"}).edge("nap", "o")
    flow.node("p", echo).edge("o", "p", condition="a == 6", transform="a")
    result = await backend.run(flow)
    expect.completed(result)
    expect.equal("what the node behind it got", result.outputs["o"]["a"], 6)
    expect.equal("what the edge carried", result.outputs.get("p"), 6)


@FROM_OUTSIDE.check
async def in_a_batch_behind_it(backend: Backend) -> None:
    """Every item, its step and the flow that it calls, has it."""

    async def see(ctx: Context) -> Any:
        return ctx.input, await ctx.context.get("n")

    item = create_flow("item").node("see", echo, inputs={"last": "last"})
    flow = create_flow("batch").node("a", adds("n")).loop("l", start="a", end="a", condition="n < 3")
    flow.node("list", gives([1, 2])).edge("l", "list").sleep("nap", 0.1).edge("list", "nap")
    flow.batch("each", see, items="list").batch("calls", item, items="list", inputs={"last": "a"})
    flow.edge("nap", "each").edge("nap", "calls").node("sum", echo, inputs={"each": "each", "a": "a"})
    result = await backend.run(flow.edge("each", "sum").edge("calls", "sum"), item)
    expect.completed(result)
    expect.equal("what the steps got", [list(one) for one in result.outputs["each"]], [[1, 3], [2, 3]])
    expect.equal("what the called flows got", result.outputs["calls"], [{"last": 3}, {"last": 3}])
    expect.equal("what the node behind them got", result.outputs["sum"]["a"], 3)


# --- late -------------------------------------------------------------------------------------------------------------


@attrs.define
class _Yielding:
    """Around the calls of a worker that lets others take what it has sent, as one of many does."""

    clock: Clock
    seconds: float
    sent: float = 0.0

    async def around(self, operation: str, call: Call) -> Any:
        if operation == "queue.send":
            self.sent = self.clock.now()
        if operation == "queue.receive":
            await self.clock.sleep(max(0.0, self.sent + self.seconds - self.clock.now()))
        return await call()


@STALE.check_durable
async def of_many_passes(backend: Durable) -> None:
    """Whoever does not see the verdict of the pass before looks again: no pass fails for it, and none is missing."""
    passes = backend.passes

    async def count(ctx: Context) -> int:
        number: int = (ctx.input or 0) + 1
        return number

    flow = create_flow("long").node("zero", gives(0)).node("one", count).edge("zero", "one")
    flow.loop("again", start="one", end="one", condition=f"result.output < {passes}")
    backend.deploy(flow.node("end", echo).edge("again", "end"))
    backend.stale = StaleReads(backend.clock, 20.0)
    for _ in range(3):
        # More jobs than by default: only who begins reads what another has just written.
        settings = Settings(max_steps=max(1, passes // 10))
        around = _Yielding(backend.clock, 10.0).around
        await backend.hire(around=around, concurrency=1, prefetch=0, settings=settings)
    await (await backend.client()).start("long", run_id="long")
    await backend.until_ended("long")
    result = await backend.run_of("long").result()
    expect.completed(result)
    expect.equal("the passes", (expect.passes(result, "one"), result.outputs["end"]), (passes, passes))
    if not backend.stale.missed:
        raise AssertionError("no read was stale: nothing was tried")
