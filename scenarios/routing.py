"""Scenarios 59 and 60: steps that only some workers run, and a small run beside a huge one."""

from __future__ import annotations

import expect
from durable_backend import Durable
from flowcraft_core import FlowBuilder, create_flow
from in_process import InProcess
from scenario import Scenario
from small_steps import Context, double, gives

UNSERVED = Scenario(
    id=59,
    title="A node whose queue no worker serves waits, is seen as that, and runs once one does, there and nowhere else",
)
BESIDE = Scenario(
    id=60,
    title="A small run on a queue of its own ends beside a batch in a time that does not depend on the batch's size",
    absent={"in-process": "there, each run has the program that started it, and shares no workers"},
)

# How many items of a batch may be run while a small run beside it is under way: those that were held already, and some.
_BESIDE = 60
_SIZES = (200, 2_000)


def _routed() -> FlowBuilder:
    flow = create_flow("routed").node("before", gives(1)).node("on_gpu", double, queue="gpu").node("after", double)
    return flow.edge("before", "on_gpu").edge("on_gpu", "after")


@UNSERVED.check_in_process
async def where_all_is_one_program_a_queue_means_nothing(backend: InProcess) -> None:
    """It is ignored there, and kept in the flow's JSON."""
    backend.deploy(_routed())
    result = await (await backend.start("routed")).result()
    expect.completed(result)
    expect.equal("the output", result.outputs["after"], 4)
    expect.equal("the queue in its JSON", _routed().to_blueprint().to_dict()["nodes"][1]["config"], {"queue": "gpu"})


@UNSERVED.check_durable
async def what_nobody_serves_waits_and_is_told(backend: Durable) -> None:
    """As long as it takes; those who serve other queues go on with what is theirs."""
    backend.deploy(_routed())
    await backend.start("routed", run_id="run")
    client = await backend.client()

    async def is_told() -> bool:
        found = await client.describe("run")
        standing = {each.key: each.standing for each in found.instances}
        return found.unserved == ("gpu",) and standing["on_gpu"] == "no worker"

    if not await backend.comes_to_hold(is_told, within=20 * backend.beat, every=backend.beat / 2):
        raise AssertionError("it is not told that no worker serves queue gpu")
    await backend.clock.sleep(5 * backend.beat)
    found = await client.describe("run")
    expect.equal("the states", {each.key: each.state for each in found.instances}["on_gpu"], "ready")
    others = {hand.worker.name for hand in backend.hands}
    gpu = await backend.hire(queues=("gpu",))
    result = await backend.run_of("run").result()
    expect.completed(result)
    by_worker = {each.key: each.worker for each in (await client.describe("run")).instances}
    expect.equal("who has run the node for gpu", by_worker["on_gpu"], gpu.worker.name)
    expect.equal("whether others have run the rest", {by_worker["before"], by_worker["after"]} <= others, True)


@BESIDE.check_durable
async def a_small_run_is_not_held_up_by_a_batch(backend: Durable) -> None:
    """What is counted is what the workers do meanwhile, which no busy machine changes."""
    items: list[str] = []

    async def note(ctx: Context) -> None:
        items.append(ctx.key)
        await backend.clock.sleep(backend.beat / 10)

    async def many(ctx: Context) -> list[int]:
        return list(range(await ctx.context.get("size")))

    huge = create_flow("huge").node("list", many).batch("items", note).edge("list", "items")
    small = create_flow("small").node("a", gives(1)).node("b", double).node("c", double).edge("a", "b").edge("b", "c")
    backend.deploy(huge, small)
    await backend.staff(2, concurrency=4, prefetch=1, queues=("urgent", "default"))
    client, beside = await backend.client(), {}
    for size in _SIZES:
        items.clear()
        await client.start("huge", {"size": size}, run_id=f"huge {size}")

        async def is_under_way() -> bool:
            return len(items) > 5

        if not await backend.comes_to_hold(is_under_way, within=60 * backend.beat, every=backend.beat / 100):
            raise AssertionError("the batch does not begin")
        before = len(items)
        await client.start("small", run_id=f"small {size}", queue="urgent")
        expect.completed(await backend.run_of(f"small {size}").result())
        beside[size] = len(items) - before
        expect.equal("whether the batch goes on then", len(set(items)) < size, True)
        await client.cancel(f"huge {size}")
    if max(beside.values()) > _BESIDE:
        raise AssertionError(f"so many items of a batch, by its size, ran beside a run of three steps: {beside}")
