"""What a worker takes of memory, as Python counts it: no more than it may keep, whatever its runs hold."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from flowcraft_core import FlowBuilder, FlowRuntime, Limit, create_flow
from flowcraft_core.durable import Client
from flowcraft_core.durable.advancing import Advance
from flowcraft_core.durable.engine import Engine
from flowcraft_core.durable.view import RunView
from flowcraft_core.durable.worker import Worker
from flowcraft_core.events import NodeSuspended
from flowcraft_core.execution import Executor
from flowcraft_core.graph.instances import ScopeState
from flowcraft_core.graph.state import RunState
from flowcraft_testkit import VirtualClock

from .helpers import place, world

_MIB = 2**20
#: What a worker may keep here; and what else there is: what it has under way, and the store, which is in this process.
_MEMORY, _BESIDE = _MIB, 2 * _MIB


def _text(number: int, length: int) -> str:
    """A text that no other run has, and that takes little in a store."""
    return f"{number:08x}" * (length // 8)


async def _make_text(ctx: Any) -> str:
    return _text(await ctx.context.get("number"), 300_000)


async def _make_rows(ctx: Any) -> list[dict[str, Any]]:
    number = await ctx.context.get("number")
    return [{"id": number * 1_000 + at, "name": f"user {at}", "ok": True, "tags": ["a", "b"]} for at in range(300)]


async def _take(ctx: Any) -> int:
    return len(ctx.input or ())


#: Steps by name: a worker knows them without the blueprints, which come with the runs.
STEPS = {"text": _make_text, "rows": _make_rows, "take": _take}


def _flow(make: str, nodes: int = 1, flow_id: str = "kept") -> FlowBuilder:
    """A run makes something, hands it on, and waits: meanwhile whoever has worked on it may be asked to go on."""
    flow = create_flow(flow_id).node("begin", make)
    for at in range(nodes):
        flow.node(f"take {at}", "take", params={"why": f"{flow_id} {at}"})
        flow.edge(f"take {at - 1}" if at else "begin", f"take {at}")
    return flow.wait("wait").edge(f"take {nodes - 1}", "wait")


@attrs.frozen
class Case:
    """Runs that hold much.

    Attributes:
        runs: How many.
        flow: The flow of each, by its number.
        held: What they would take all together, bytes at least.
        length: Of a text that each is started with, characters.
    """

    runs: int
    flow: Callable[[int], FlowBuilder]
    held: int
    length: int = 0


CASES = {
    "large texts": Case(40, lambda number: _flow("text"), 10 * _MIB),
    "ordinary rows": Case(80, lambda number: _flow("rows"), 7 * _MIB),
    "contexts": Case(60, lambda number: _flow("take"), 10 * _MIB, length=200_000),
    "many blueprints": Case(60, lambda number: _flow("take", 40, f"flow {number}"), 7 * _MIB),
}


async def test_what_is_left_of_a_purged_run_is_not_taken_for_the_next_one_of_its_id() -> None:
    """An outcome that came after the run's end stays, and the run's record is the first to go."""
    clock, numbers = VirtualClock(), list[int]()

    async def first(ctx: Any) -> None:
        if await ctx.context.get("number") == 1:
            raise ValueError("fails")

    async def late(ctx: Any) -> Any:
        numbers.append(await ctx.context.get("number"))
        await clock.sleep(0.5)
        return numbers[-1]

    flow, other = create_flow("f").node("first", first).node("late", late), create_flow("other").node("n", first)
    async with world(clock) as backend:
        worker = Worker(backend, FlowRuntime([flow, other], clock=clock), reconcile=False, memory="1MiB")
        working = asyncio.ensure_future(worker.run())
        client = Client(backend, flows=[flow, other], clock=clock)
        await client.start(flow, {"number": 1}, run_id="r")
        assert (await client.wait("r")).status == "failed"
        await clock.sleep(10.0)
        for _ in range(100):
            await client.wait(await client.start(other, {"number": 0, "text": _text(0, 20_000)}))
        await client.purge("r")
        await clock.sleep(10.0)
        await client.start(flow, {"number": 2}, run_id="r")
        assert (await client.wait("r")).outputs == {"first": None, "late": 2}
        assert numbers == [1, 2]
        worker.stop()
        await working


async def _taken(case: Case, memory: int | str) -> int:
    """What there is more of, at most, between runs and after them, in a process with a worker in it, bytes."""
    clock, parked = VirtualClock(), list[bool]()
    async with world(clock) as backend:
        runtime = FlowRuntime(
            registry=STEPS, clock=clock, events=lambda event: parked.append(isinstance(event, NodeSuspended))
        )
        worker = Worker(backend, runtime, memory=memory, concurrency=2)
        working = asyncio.ensure_future(worker.run())
        most = 0
        for number in range(case.runs):
            if number == 2:  # whatever is made once only
                tracemalloc.start()
            context = {"number": number, "text": _text(number, case.length)}
            # By a client of its own: one keeps the flows that it has started.
            await Client(backend, clock=clock).start(case.flow(number), context)
            while sum(parked) <= number:
                await clock.sleep(0.1)
            if number % 10 == 0 or number == case.runs - 1:
                gc.collect()
                most = max(most, tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        worker.stop()
        await working
    return most


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_a_worker_takes_no_more_than_it_may(case: Case) -> None:
    assert await _taken(case, _MEMORY) < _MEMORY + _BESIDE


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_a_worker_that_may_keep_all_of_it_does(case: Case) -> None:
    """Else the test above could not fail."""
    assert await _taken(case, "1GiB") > case.held > 2 * (_MEMORY + _BESIDE)


# --- what has been worked on ---


async def _some(ctx: Any) -> list[int]:
    return [1, 2, 3]


async def _nothing(ctx: Any) -> None:
    return None


def _fan() -> FlowBuilder:
    flow = create_flow("fan").node("first", _nothing).node("last", _nothing)
    for at in range(3):
        flow.node(f"{at}", _nothing).edge("first", f"{at}").edge(f"{at}", "last")
    return flow


FLOWS = {"fan": _fan(), "batch": create_flow("batch").node("some", _some).batch("each", _nothing).edge("some", "each")}


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
async def test_a_job_leaves_nothing_to_the_garbage_collector(flow: FlowBuilder) -> None:
    """What holds itself in a circle stays until all that the program has was gone through."""
    async with place(flow) as here, here.working(reconcile=False):
        await here.finished(flow)  # whatever is made once only
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            run_id = (await here.client.start(flow)).run_id
            while (await here.client.status(run_id)).state != "completed":
                await here.clock.sleep(1.0)
            gc.collect()
            left = {type(thing) for thing in gc.garbage} & {Engine, Advance, Executor, RunView, RunState, ScopeState}
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
    assert left == set()


# --- a worker that keeps nothing ---


async def test_a_job_that_waits_for_a_place_holds_what_it_needs_by_itself() -> None:
    """It is not delivered again for want of a record that was let go of meanwhile."""
    clock = VirtualClock()

    async def rest(ctx: Any) -> None:
        await clock.sleep(5.0)

    flow = create_flow("one at a time").node("rest", rest, limit="place")
    runtime = FlowRuntime([flow], clock=clock, limits=[Limit("place", concurrency=1)])
    async with world(clock) as backend:
        client = Client(backend, flows=[flow], clock=clock)
        worker = Worker(backend, runtime, memory=0)
        working = asyncio.ensure_future(worker.run())
        runs = [(await client.start(flow)).run_id for _ in range(4)]
        for run_id in runs:
            assert (await client.wait(run_id, timeout=30.0, poll=0.5)).status == "completed"
        worker.stop()
        await working


async def test_a_run_that_is_given_up_is_undone_though_nothing_is_kept() -> None:
    """Its record says that it is undone: it is read again to end the run."""
    clock, undone = VirtualClock(), list[str]()

    async def make(ctx: Any) -> None:
        pass

    async def undo(ctx: Any) -> None:
        undone.append(ctx.key)

    flow = create_flow("given up").node("made", "make", undo="undo").node("missing", "nobody brings it")
    flow.edge("made", "missing")
    steps = {"make": make, "undo": undo}
    async with world(clock) as backend:
        client = Client(backend, clock=clock)
        worker = Worker(backend, FlowRuntime(registry=steps, clock=clock), memory=0)
        working = asyncio.ensure_future(worker.run())
        run_id = (await client.start(flow)).run_id
        result = await client.wait(run_id, timeout=3_600.0, poll=5.0)
        worker.stop()
        await working
    assert result.status == "failed"
    assert "gave up" in (result.reason or "")
    assert undone == ["made"]
