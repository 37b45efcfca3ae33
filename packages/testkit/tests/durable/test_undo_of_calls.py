"""Calls that fail and are contained undo themselves on workers before that counts, whatever is lost meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from flowcraft_core import FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client, Reconciler, StoredResult, Worker
from flowcraft_testkit import VirtualClock

from .helpers import MODES, STRONG, Mode, crashed, working, world
from .test_undo import Told, running

Ctx = NodeContext[Any, Any]


def trip(told: Told) -> Any:
    """A call of which the third step fails, which an edge takes up; and then another step."""
    back: Any = {"undo": told.undo}
    called = create_flow("called").node("x", told.step, **back).node("y", told.step, **back).node("z", told.step)
    called.edge("x", "y").edge("y", "z")
    flow = create_flow("f").node("a", told.step, **back).subflow("call", called).node("b", told.step, **back)
    return flow.node("c", told.step).edge("a", "call").edge("call", "b", on="failure").edge("b", "c")


def items(told: Told, **batch: Any) -> Any:
    """A batch of calls, of which some may fail."""

    async def numbers(ctx: Ctx) -> list[int]:
        return [0, 1, 2, 3]

    called = create_flow("called").node("x", told.step, undo=told.undo).node("y", told.step).edge("x", "y")
    flow = create_flow("f").node("numbers", numbers).batch("each", called, tolerated_failure_count=2, **batch)
    return flow.node("b", told.step).edge("numbers", "each").edge("each", "b")


async def test_a_call_is_undone_before_its_failure_counts() -> None:
    told, clock = Told(), VirtualClock()
    told.fails["call/z"] = 1
    async with running(trip(told), clock, workers=2) as client:
        run = await client.start(trip(told))
        result = await client.wait(run.run_id, timeout=600)
        described = await client.describe(run.run_id, inside="call")
    assert told.events == ["a", "call/x", "call/y", "call/z", "undo call/y", "undo call/x", "b", "c"]
    assert (result.status, [each.key for each in result.undone]) == ("completed", ["call/y", "call/x"])
    assert {each.key for each in described.instances if each.undone} == {"call/x", "call/y"}


async def test_a_call_that_is_undone_is_not_undone_again_with_its_run() -> None:
    told, clock = Told(), VirtualClock()
    told.fails.update({"call/z": 1, "c": 1})
    async with running(trip(told), clock) as client:
        run = await client.start(trip(told))
        result = await client.wait(run.run_id, timeout=600)
        await client.purge(run.run_id)
    assert told.undone == ["call/y", "call/x", "b", "a"]
    assert result.status == "failed"


@pytest.mark.parametrize("ends", ["completed", "failed"])
async def test_a_purge_leaves_nothing_of_a_call_that_was_undone(ends: str) -> None:
    told, clock = Told(), VirtualClock()
    told.fails.update({"call/z": 1, "c": ends == "failed"})
    flow = trip(told)
    async with world(clock, STRONG) as backend:
        client = Client(backend, flows=[flow], clock=clock)
        run = await client.start(flow)
        async with working(backend, FlowRuntime([flow], clock=clock)):
            assert (await client.wait(run.run_id, timeout=600)).status == ends
            await clock.sleep(10)
        facts = backend._world.facts._records
        assert (run.run_id, "call/:undone") in facts
        await client.purge(run.run_id)
        assert [key for run_id, key in facts if run_id == run.run_id and facts[run_id, key].newest is not None] == []


@pytest.mark.parametrize("lanes", [1, 4])
async def test_items_that_fail_undo_themselves_before_the_next_of_their_lane_and_the_gather(lanes: int) -> None:
    told, clock = Told(), VirtualClock()
    told.fails.update({"each[0]/y": 1, "each[2]/y": 1})
    flow = items(told, concurrency=lanes)
    async with running(flow, clock, workers=2) as client:
        run = await client.start(flow)
        result = await client.wait(run.run_id, timeout=600)
    assert result.status == "completed"
    assert sorted(told.undone) == ["each[0]/x", "each[2]/x"]
    assert told.events[-1] == "b"
    if lanes == 1:
        assert told.events.index("undo each[0]/x") < told.events.index("each[1]/x")


async def test_more_failures_than_a_batch_tolerates_fail_it_once_they_are_undone() -> None:
    told, clock = Told(), VirtualClock()
    told.fails.update({f"each[{number}]/y": 1 for number in range(3)})
    flow = items(told)
    async with running(flow, clock) as client:
        run = await client.start(flow)
        result = await client.wait(run.run_id, timeout=600)
    assert result.status == "failed"
    assert sorted(told.undone) == [f"each[{number}]/x" for number in range(4)]


async def test_a_call_inside_a_call_is_undone_first() -> None:
    told, clock = Told(), VirtualClock()
    told.fails["out/in/y"] = 1
    inner = create_flow("inner").node("x", told.step, undo=told.undo).node("y", told.step).edge("x", "y")
    outer = create_flow("outer").node("o", told.step, undo=told.undo).subflow("in", inner).edge("o", "in")
    flow = create_flow("f").subflow("out", outer).node("b", told.step).edge("out", "b", on="always")
    async with running(flow, clock, workers=2) as client:
        run = await client.start(flow)
        result = await client.wait(run.run_id, timeout=600)
    assert told.events == ["out/o", "out/in/x", "out/in/y", "undo out/in/x", "undo out/o", "b"]
    assert result.status == "completed"


async def test_a_run_that_is_cancelled_while_a_call_undoes_itself_is_undone_to_its_end() -> None:
    told, clock, at_it, goes_on = Told(), VirtualClock(), asyncio.Event(), asyncio.Event()
    told.fails["call/z"] = 1

    async def slowly(ctx: Ctx) -> None:
        at_it.set()
        await goes_on.wait()
        await told.undo(ctx)

    back: Any = {"undo": told.undo}
    called = create_flow("called").node("x", told.step, **back).node("y", told.step, undo=slowly)
    called.node("z", told.step).edge("x", "y").edge("y", "z")
    flow = create_flow("f").node("a", told.step, **back).subflow("call", called).node("b", told.step, **back)
    flow.edge("a", "call").edge("call", "b", on="failure")
    async with running(flow, clock, workers=2) as client:
        run = await client.start(flow)
        await at_it.wait()
        assert await client.cancel(run.run_id)
        await clock.sleep(1)
        goes_on.set()
        result = await client.wait(run.run_id, timeout=20)
        described = await client.describe(run.run_id)
    assert (result.status, told.undone) == ("cancelled", ["call/y", "call/x", "a"])
    assert "b" not in told.events
    assert {each.key: each.state for each in described.instances}["call"] == "void"


async def test_what_has_lost_a_race_in_a_call_that_undoes_itself_never_happened_or_is_undone() -> None:
    told, clock, at_it, goes_on = Told(), VirtualClock(), asyncio.Event(), asyncio.Event()
    told.fails["call/z"] = 1

    async def slowly(ctx: Ctx) -> str:
        at_it.set()
        await goes_on.wait()
        return await told.step(ctx)

    async def when_it_is_on(ctx: Ctx) -> str:
        await at_it.wait()
        return await told.step(ctx)

    back: Any = {"undo": told.undo}
    called = create_flow("called").node("x", when_it_is_on, **back).node("s", slowly, **back)
    called.node("j", told.step, join="any", **back).node("z", told.step)
    called.edge("x", "j").edge("s", "j").edge("j", "z")
    flow = create_flow("f").subflow("call", called).node("b", told.step).edge("call", "b", on="failure")
    async with running(flow, clock, workers=2) as client:
        run = await client.start(flow)
        await at_it.wait()
        result = await client.wait(run.run_id, timeout=600)
        goes_on.set()
        await clock.sleep(10)
        again = await client.result(run.run_id)
    assert (result.status, told.undone) == ("completed", ["call/j", "call/x"])
    assert again.undone == result.undone


async def test_a_fork_begins_a_call_again_that_was_undone_under_new_keys() -> None:
    told, clock = Told(), VirtualClock()
    told.fails.update({"call/z": 1, "c": 1})
    keys: dict[str, str] = {}
    async with running(trip(told), clock) as client:
        run = await client.start(trip(told))
        await client.wait(run.run_id, timeout=600)
        keys.update(told.keys)
        told.fails.clear()
        told.events.clear()
        again = await client.redrive(run.run_id)
        result = await client.wait(again.run_id, timeout=600)
    assert (result.status, told.undone) == ("completed", [])
    assert told.events == ["a", "call/x", "call/y", "call/z"]


async def test_a_fork_keeps_a_call_in_which_there_was_nothing_to_undo() -> None:
    told, clock = Told(), VirtualClock()
    told.fails["call/x"] = 1
    async with running(trip(told), clock) as client:
        run = await client.start(trip(told))
        await client.wait(run.run_id, timeout=600)
        told.events.clear()
        again = await client.fork(run.run_id, "c")
        result = await client.wait(again.run_id, timeout=600)
    assert (result.status, told.events) == ("completed", ["c"])


async def test_the_reconciler_alone_brings_a_call_to_its_end() -> None:
    told, clock = Told(), VirtualClock()
    told.fails["call/z"] = 1
    flow = trip(told)
    async with world(clock, STRONG) as backend:
        worker = Worker(backend, FlowRuntime([flow], clock=clock), reconcile=False)
        send = backend.queue.send

        async def losing(messages: Any, **options: Any) -> None:
            lost = (":undo", ":stop")
            await send([each for each in messages if not any(name in each.body for name in lost)], **options)

        backend.queue.send = losing  # type: ignore[method-assign]
        at_work = asyncio.ensure_future(worker.run())
        client = Client(backend, flows=[flow], clock=clock)
        run = await client.start(flow)
        await clock.sleep(100)
        assert told.undone == []
        for number in range(12):
            backend.queue.send = send if number % 3 else losing  # type: ignore[method-assign]
            await Reconciler(backend, clock=clock).reconcile(run.run_id)
            await clock.sleep(100)
        result = await client.result(run.run_id)
        worker.stop()
        await at_work
    assert (result.status, told.undone) == ("completed", ["call/y", "call/x"])


# --- a worker dies at each call ---------------------------------------------------------------------------------------


async def _crashed(at: int, mode: Mode, *, weak: bool) -> tuple[StoredResult, list[str], Told]:
    told, clock = Told(), VirtualClock()
    told.fails.update({"call/z": 1, "c": 1})
    return *await crashed(trip(told), at, mode, clock, weak=weak), told


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("weak", [False, True])
@pytest.mark.parametrize("mode", MODES)
async def test_a_worker_dies_at_each_call_and_the_call_undoes_itself_all_the_same(mode: Mode, weak: bool) -> None:
    at, crashes = 1, 0
    while True:
        result, calls, told = await _crashed(at, mode, weak=weak)
        where = f"{mode} call {at} of {calls}"
        assert result.status == "failed", where
        assert [error.key for error in result.errors] == ["c"], where
        assert {each.key for each in result.undone} == {"a", "b", "call/x", "call/y"}, where
        first = {key: told.events.index(key) for key in reversed(told.events)}
        names = ["call/z", "undo call/y", "undo call/x", "b", "c", "undo b", "undo a"]
        assert sorted(names, key=lambda name: first[name]) == names, where
        if at > len(calls):
            break
        crashes += 1
        at += 5 if weak else 1
    assert crashes >= 6
