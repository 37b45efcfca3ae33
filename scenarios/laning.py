"""Scenarios 51 to 53: batches of which so many items are under way at most."""

from __future__ import annotations

from typing import Any

import expect
from backend import Backend
from durable_backend import Durable
from flowcraft_core import FlowBuilder, RunResult, create_flow
from flowcraft_testkit.contracts.interposed import Call
from flowcraft_testkit.contracts.laning import Gauge
from scenario import Scenario
from small_steps import Context, echo, gives

FIVE_AT_A_TIME = Scenario(
    id=51,
    title="A batch of 500, five at a time, on three workers, one killed twice: never more, none twice but what was cut",
)
NESTED = Scenario(
    id=52,
    title="Lanes in a loop in a subflow, of 0, 1, 4, 5 and 6 items, with every message doubled or lost",
)
HUGE = Scenario(
    id=53,
    title="A batch of 20,000 with lanes, at times with the reconciler alone alive, at what an item may cost",
    absent={"in-process": "there is no other process that could be gone, and no request that could be counted"},
)

_ITEMS = 500
_LANES = 5
# Requests to the ports for each item: its outcome's write, and what a lane, its jobs and a reconciler's look come to.
_MOST_REQUESTS = 1.6


def _flow(gauge: Gauge, items: int = _ITEMS, lanes: int = _LANES, **options: Any) -> FlowBuilder:
    flow = create_flow("documents").node("src", gives(list(range(items))))
    flow.batch("each", gauge.step, concurrency=lanes, **options).node("end", echo)
    return flow.edge("src", "each").edge("each", "end")


async def _until_begun(backend: Backend, gauge: Gauge, items: int) -> None:
    await backend.until(f"{items} items were begun", lambda: len(gauge.executed) >= items, within=1e9)


def _tens(items: int) -> list[int]:
    return [10 * item for item in range(items)]


@FIVE_AT_A_TIME.check
async def in_order(backend: Backend) -> None:
    """The results are in the order of the items, and there were never more than five at once."""
    gauge = Gauge(backend.clock, backend.beat / 100)
    result = await backend.run(_flow(gauge))
    expect.completed(result)
    expect.equal("the results", result.outputs["end"], _tens(_ITEMS))
    expect.equal("how many were under way at most", gauge.most, _LANES)
    expect.equal("how often items were executed", set(gauge.executed.values()), {1})


@FIVE_AT_A_TIME.check
async def one_may_fail(backend: Backend) -> None:
    """A failed item under tolerance does not stop its lane: its error stands in its place."""
    gauge = Gauge(backend.clock, 0.0, 7)
    result = await backend.run(_flow(gauge, 50, tolerated_failure_count=1))
    expect.completed(result)
    given = result.outputs["each"]
    expect.equal("the failed item", given[7]["error"]["node"], "each[7].each")
    expect.equal("the others", given[:7] + given[8:], _tens(7) + _tens(50)[8:])


@FIVE_AT_A_TIME.check
async def one_too_many(backend: Backend) -> None:
    """Over tolerance the batch fails, and nothing new starts."""
    gauge = Gauge(backend.clock, backend.beat, *range(0, _ITEMS, 3))
    run = await backend.launch(_flow(gauge, tolerated_failure_count=4))
    result = await run.result()
    expect.status(result, "failed")
    begun = len(gauge.executed)
    expect.at_most("how many items were begun", begun, _ITEMS / 4)
    await backend.clock.sleep(3 * backend.beat)
    expect.at_most("how many were begun after the end", len(gauge.executed) - begun, _LANES)


@FIVE_AT_A_TIME.check_durable
async def one_of_three_is_killed_twice(backend: Durable) -> None:
    """Only what was under way on it is executed again."""
    gauge = Gauge(backend.clock, backend.beat / 50)
    backend.deploy(_flow(gauge))
    await backend.staff(3, concurrency=2, prefetch=0, visibility=10 * backend.beat)
    run_id = (await (await backend.client()).start("documents")).run_id
    cut_off: set[str] = set()
    for done in (60, 200):
        await _until_begun(backend, gauge, done)
        cut_off |= set(gauge.now)
        await backend.kill(backend.hands[0])
        await backend.hire(concurrency=2, prefetch=0, visibility=10 * backend.beat)
    result = await backend.run_of(run_id).result()
    expect.completed(result)
    expect.equal("the results", result.outputs["end"], _tens(_ITEMS))
    expect.at_most("how many were under way at most", gauge.most, _LANES)
    again = {key for key, times in gauge.executed.items() if times > 1}
    expect.equal("executed twice, and not under way when a worker was killed", again - cut_off, set())
    expect.at_most("how often an item was executed", max(gauge.executed.values()), 3)


# --- nested -----------------------------------------------------------------------------------------------------------


def _nested(gauge: Gauge) -> tuple[FlowBuilder, FlowBuilder]:
    """Passes over ever longer lists: a loop in a subflow, and lanes in each pass."""
    lengths = [0, 1, 4, 5, 6]

    async def next_list(ctx: Context) -> list[int]:
        number: int = await ctx.context.get("number", 0)
        await ctx.context.set("number", number + 1)
        return list(range(lengths[number]))

    async def collect(ctx: Context) -> list[list[int]]:
        found = [*await ctx.context.get("found", []), ctx.input]
        await ctx.context.set("found", found)
        return found

    inner = create_flow("passes").node("make", next_list).batch("each", gauge.step, concurrency=5)
    inner.node("collect", collect).edge("make", "each").edge("each", "collect")
    inner.loop("again", start="make", end="collect", condition=f"number < {len(lengths)}")
    outer = create_flow("outer").node("begin", gives(1)).subflow("call", inner).node("end", echo)
    return outer.edge("begin", "call").edge("call", "end"), inner


def _as_nested(result: RunResult, gauge: Gauge) -> None:
    expect.completed(result)
    expect.equal("what the passes gave", result.outputs["end"], [_tens(length) for length in (0, 1, 4, 5, 6)])
    expect.at_most("how many were under way at most", gauge.most, 5)


@NESTED.check
async def in_passes(backend: Backend) -> None:
    """Each pass has lanes of its own."""
    gauge = Gauge(backend.clock)
    outer, inner = _nested(gauge)
    _as_nested(await backend.run(outer, inner), gauge)


@NESTED.check_durable
async def every_message_doubled(backend: Durable) -> None:
    """Two at one item are at the same one: no more items are under way for that."""
    backend.doubling = True
    gauge = Gauge(backend.clock, backend.beat / 100)
    outer, inner = _nested(gauge)
    _as_nested(await backend.run(outer, inner), gauge)


@NESTED.check_durable
async def every_message_lost(backend: Durable) -> None:
    """Each is lost once, when it is sent: a reconciler finds the run again, at whichever item its lanes stand."""
    made = 0

    async def around(operation: str, call: Call) -> Any:
        nonlocal made
        result = await call()
        if operation == "queue.send":
            made += 1
            if made % 2:  # the next one is the reconciler's, in its place
                await backend.lose_messages()
        return result

    backend.around = around
    gauge = Gauge(backend.clock)
    outer, inner = _nested(gauge)
    backend.deploy(outer, inner)
    await backend.staff(2, visibility=5 * backend.beat, reconcile_interval=5 * backend.beat)
    run_id = (await (await backend.client()).start("outer")).run_id
    _as_nested(await backend.run_of(run_id).result(), gauge)
    expect.at_most("messages that were not lost", 1, made)


# --- huge -------------------------------------------------------------------------------------------------------------


@HUGE.check_durable
async def with_the_reconciler_alone_at_times(backend: Durable) -> None:
    """It completes, and costs no more for each item than one alone: nothing grows with the number of items."""
    items, gauge = backend.items, Gauge(backend.clock)
    backend.deploy(_flow(gauge, items, 20))
    await backend.staff()
    before = backend.calls.total()
    run_id = (await (await backend.client()).start("documents")).run_id
    for share in (3, 2):
        await _until_begun(backend, gauge, items // share)
        await backend.kill()
        await backend.lose_messages()
        await backend.lose_coordination()
        await backend.clock.sleep(2 * backend.hour)
        await backend.reconcile()
        await backend.staff()
    result = await backend.run_of(run_id).result()
    expect.completed(result)
    expect.equal("the results", result.outputs["end"], _tens(items))
    expect.at_most("how many were under way at most", gauge.most, 20)
    expect.at_most("requests per item", (backend.calls.total() - before) / items, _MOST_REQUESTS)
