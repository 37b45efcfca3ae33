"""The gather of a large batch: who says that all items have ended, and how often they are read."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from flowcraft_core import FlowBuilder, FlowRuntime, create_flow
from flowcraft_core.durable import Client, Settings, Worker
from flowcraft_core.durable.sets import JoinSets, Size
from flowcraft_core.durable.storage import Records
from flowcraft_testkit import VirtualClock
from flowcraft_testkit.memory import InMemoryBackend, Weaknesses

ITEMS, LANES = 1_500, 3


def _flow(clock: VirtualClock, calls: Counter[int], **options: Any) -> FlowBuilder:
    async def numbers(ctx: Any) -> list[int]:
        return list(range(ITEMS))

    async def square(ctx: Any) -> int:
        calls[ctx.input] += 1
        if ctx.input == 1:
            await clock.sleep(5.0)  # the other lanes have come to their ends by then
        if options and ctx.input % 500 == 7:
            raise ValueError("seven")
        return int(ctx.input) ** 2

    async def total(ctx: Any) -> int:
        return sum([result async for result in ctx.input if isinstance(result, int)])

    flow = create_flow("large").node("numbers", numbers).batch("squares", square, concurrency=LANES, **options)
    return flow.node("total", total).edge("numbers", "squares").edge("squares", "total")


async def _run(clock: VirtualClock, flow: FlowBuilder, settings: Settings | None = None) -> Any:
    async with InMemoryBackend(clock=clock, weaknesses=Weaknesses.none()) as backend:
        worker = Worker(backend, FlowRuntime([flow], clock=clock), settings=settings, reconcile=False, memory="1MiB")
        working = asyncio.ensure_future(worker.run())
        client = Client(backend, flows=[flow], clock=clock)
        await client.start(flow, run_id="run")
        result = await client.wait("run", timeout=3_600.0)
        worker.stop()
        await working
    return result


async def test_a_set_that_is_full_too_early_has_no_item_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a hint, which may be wrong: the gather looks at the facts."""
    wrong = 0

    async def full(self: JoinSets, incarnation: str, arrival: Any) -> Size:
        nonlocal wrong
        size = await add(self, incarnation, arrival)
        wrong += not size.is_full
        return Size(is_full=True, was_empty=size.was_empty)

    add = JoinSets.add_together
    monkeypatch.setattr(JoinSets, "add_together", full)
    clock, calls = VirtualClock(), Counter[int]()
    result = await _run(clock, _flow(clock, calls))
    assert result.outputs["total"] == sum(number**2 for number in range(ITEMS))
    assert set(calls.values()) == {1}
    assert wrong, "no lane came before the last: this has shown nothing"


@pytest.mark.parametrize(("options", "passes"), [({}, 1), ({"tolerated_failure_count": 3}, 2)])
async def test_the_items_are_read_once_where_none_can_have_failed(
    options: dict[str, Any], passes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And twice where some can; also if the job that comes to the gather has done as many steps as one does."""
    read = Counter[str]()

    async def outcomes(self: Records, run_id: str, keys: Iterable[str], *, keep: bool = True) -> Any:
        keys = list(keys)
        if not keep:
            read.update(keys)
        return await look(self, run_id, keys, keep=keep)

    look = Records.outcomes
    monkeypatch.setattr(Records, "outcomes", outcomes)
    clock = VirtualClock()
    result = await _run(clock, _flow(clock, Counter(), **options), Settings(max_steps=ITEMS // LANES // 4))
    assert result.status == "completed"
    assert ITEMS - LANES < len(read) <= ITEMS  # what the job knows from its own way it does not read
    assert max(read.values()) == passes


async def _both(step: Any, *sources: str) -> list[dict[str, Any]]:
    """What becomes of a step after batches of more than a page, in process and on a worker."""
    flow = create_flow("handing").node("numbers", lambda ctx: [1, 2, 3])
    for source in sources:
        flow.batch(source, lambda ctx: ctx.input * 2, page_size=2).edge("numbers", source).edge(source, "step")
    flow.node("step", step).node("failed", lambda ctx: ctx.input["message"]).edge("step", "failed", on="failure")
    clock = VirtualClock()
    return [dict((await FlowRuntime([flow]).run(flow)).outputs), dict((await _run(clock, flow)).outputs)]


async def _hands_on(ctx: Any) -> Any:
    return ctx.input


@pytest.mark.parametrize("step", [lambda ctx: ctx.input, _hands_on], ids=["plain", "async"])
async def test_a_step_that_hands_its_input_on_has_lists_also_of_several_batches(step: Any) -> None:
    assert [outputs["step"] for outputs in await _both(step, "one")] == [[2, 4, 6]] * 2
    assert [outputs["step"] for outputs in await _both(step, "one", "two")] == [
        {"one": [2, 4, 6], "two": [2, 4, 6]}
    ] * 2


async def _sets(ctx: Any) -> None:
    await ctx.context.set("results", ctx.input)


@pytest.mark.parametrize(
    ("step", "place"),
    [
        (lambda ctx: (ctx.input, "note"), "value[0]"),
        (lambda ctx: {"deep": [ctx.input]}, "value.deep[0]"),
        (lambda ctx: ctx.context.set("results", ctx.input), "value"),
        (_sets, "value"),
    ],
)
async def test_results_inside_of_something_else_are_refused_alike_by_their_place(step: Any, place: str) -> None:
    in_process, on_workers = await _both(step, "one")
    assert in_process == on_workers
    assert f"{place} is a Gathered, the results of a large batch" in in_process["failed"]
    assert "`list(results)`" in in_process["failed"]
