"""Runs of workers that end badly are undone: in order, once each, whatever is lost meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from flowcraft_core import FlowRuntime, NodeContext, RetryPolicy, create_flow
from flowcraft_core.durable import Client, Reconciler, StoredResult, Worker
from flowcraft_testkit import VirtualClock

from .helpers import MODES, STRONG, Mode, crashed, world

Ctx = NodeContext[Any, Any]


class Told:
    """What was done and undone, in order; and what is to go wrong."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.fails = Counter[str]()
        self.keys: dict[str, str] = {}

    async def step(self, ctx: Ctx) -> str:
        self.events.append(ctx.key)
        if self.fails[ctx.key]:
            raise ValueError(f"{ctx.key} fails")
        return f"of {ctx.key}"

    async def undo(self, ctx: Ctx) -> None:
        assert ctx.output == f"of {ctx.key}"
        self.keys[ctx.key] = ctx.idempotency_key
        name = f"undo {ctx.key}"
        self.events.append(name)
        if self.fails[name]:
            self.fails[name] -= 1
            raise ValueError(f"{name} fails")

    @property
    def undone(self) -> list[str]:
        return [event.removeprefix("undo ") for event in self.events if event.startswith("undo ")]


def chain(told: Told, length: int = 5, **node: Any) -> Any:
    flow = create_flow("f")
    for number in range(length):
        flow = flow.node(f"s{number}", told.step, undo=told.undo, **node)
        if number:
            flow = flow.edge(f"s{number - 1}", f"s{number}")
    return flow


@asynccontextmanager
async def running(flow: Any, clock: VirtualClock, workers: int = 1) -> AsyncIterator[Client]:
    async with world(clock, STRONG) as backend:
        them = [Worker(backend, FlowRuntime([flow], clock=clock), reconcile=True) for _ in range(workers)]
        working = [asyncio.ensure_future(worker.run()) for worker in them]
        yield Client(backend, flows=[flow], clock=clock)
        for worker in them:
            worker.stop()
        await asyncio.gather(*working)


async def test_the_fourth_of_five_fails_and_the_three_before_are_undone_backwards() -> None:
    told, clock = Told(), VirtualClock()
    told.fails["s3"] = 1
    flow = chain(told)
    async with running(flow, clock, workers=2) as client:
        run = await client.start(flow)
        result = await client.wait(run.run_id, timeout=600)
        assert result.status == "failed"
        assert told.undone == ["s2", "s1", "s0"]
        assert [each.key for each in result.undone] == ["s2", "s1", "s0"]
        assert [error.key for error in result.errors] == ["s3"]
        assert told.keys["s0"] == f"{run.run_id}:s0:undo"


async def test_a_run_that_completes_undoes_nothing() -> None:
    told, clock = Told(), VirtualClock()
    flow = chain(told)
    async with running(flow, clock) as client:
        run = await client.start(flow)
        result = await client.wait(run.run_id, timeout=600)
    assert (result.status, told.undone, result.undone) == ("completed", [], ())


async def test_an_undo_is_tried_again_and_one_that_fails_for_good_is_listed_and_holds_up_no_other() -> None:
    told, clock = Told(), VirtualClock()
    told.fails.update({"s3": 1, "undo s2": 1, "undo s1": 9})
    flow = create_flow("f")
    flow = flow.node("undo", told.undo, retries=RetryPolicy(max_attempts=2, delay=1))
    for number in range(4):
        flow = flow.node(f"s{number}", told.step, undo="undo")
        if number:
            flow = flow.edge(f"s{number - 1}", f"s{number}")
    async with running(flow, clock) as client:
        run = await client.start(flow)
        result = await client.wait(run.run_id, timeout=600)
    assert told.undone == ["s2", "s2", "s1", "s1", "s0"]
    assert [(each.key, each.error is None, each.attempts) for each in result.undone] == [
        ("s2", True, 2),
        ("s1", False, 2),
        ("s0", True, 1),
    ]
    assert "the undo of 's1' has failed" in (result.reason or "")


@pytest.mark.parametrize("ended_by", ["cancel", "timeout"])
async def test_a_run_that_is_cut_off_undoes_what_has_completed_and_not_what_was_under_way(ended_by: str) -> None:
    told, clock = Told(), VirtualClock()
    at_it = asyncio.Event()

    async def slow(ctx: Ctx) -> str:
        at_it.set()
        await clock.sleep(10_000)
        return f"of {ctx.key}"

    flow = create_flow("f").node("a", told.step, undo=told.undo).node("b", slow, undo=told.undo).edge("a", "b")
    async with running(flow, clock) as client:
        run = await client.start(flow, timeout=30 if ended_by == "timeout" else None)
        await at_it.wait()
        if ended_by == "cancel":
            assert await client.cancel(run.run_id, reason="enough")
            assert not await client.cancel(run.run_id)
        result = await client.wait(run.run_id, timeout=600)
        described = await client.describe(run.run_id)
        await client.purge(run.run_id)
    assert result.status == ("cancelled" if ended_by == "cancel" else "failed")
    assert told.undone == ["a"]
    assert {each.key: each.state for each in described.instances} == {"a": "done", "b": "void"}


async def test_the_reconciler_alone_brings_a_stopped_run_to_its_end() -> None:
    """Every job of an undo is lost: the reconciler sends it again."""
    told, clock = Told(), VirtualClock()
    told.fails["s3"] = 1
    flow = chain(told, 4)
    async with world(clock, STRONG) as backend:
        worker = Worker(backend, FlowRuntime([flow], clock=clock), reconcile=False)
        send = backend.queue.send

        async def losing(messages: Any, **options: Any) -> None:
            await send([each for each in messages if ":undo" not in each.body and ":stop" not in each.body], **options)

        backend.queue.send = losing  # type: ignore[method-assign]
        working = asyncio.ensure_future(worker.run())
        client = Client(backend, flows=[flow], clock=clock)
        run = await client.start(flow)
        await clock.sleep(100)
        assert told.undone == []
        backend.queue.send = send  # type: ignore[method-assign]
        reconciler = Reconciler(backend, clock=clock)
        for _ in range(10):
            await reconciler.reconcile(run.run_id)
            await clock.sleep(100)
        result = await client.result(run.run_id)
        worker.stop()
        await working
    assert (result.status, told.undone) == ("failed", ["s2", "s1", "s0"])


async def test_a_redrive_keeps_nothing_that_was_undone() -> None:
    told, clock = Told(), VirtualClock()
    told.fails["s3"] = 1
    flow = chain(told)
    async with running(flow, clock) as client:
        run = await client.start(flow)
        await client.wait(run.run_id, timeout=600)
        told.fails.clear()
        told.events.clear()
        again = await client.redrive(run.run_id)
        result = await client.wait(again.run_id, timeout=600)
    assert result.status == "completed"
    assert told.events == ["s0", "s1", "s2", "s3", "s4"]


# --- a worker dies at each call ---------------------------------------------------------------------------------------


def nested(told: Told) -> Any:
    """Three branches and a called flow; then a step that fails."""

    async def numbers(ctx: Ctx) -> list[int]:
        return [1, 2]

    back: Any = {"undo": told.undo}
    called = create_flow("called").node("c1", told.step, **back).node("c2", told.step, **back).edge("c1", "c2")
    flow = create_flow("f").node("a", told.step, **back).node("numbers", numbers)
    flow = flow.node("left", told.step, **back).node("right", told.step, **back)
    flow = flow.subflow("call", called).node("b", told.step, **back).node("fails", told.step, **back)
    flow = flow.edge("a", "left").edge("a", "right").edge("left", "b").edge("right", "b")
    return flow.edge("a", "numbers").edge("numbers", "b").edge("b", "call").edge("call", "fails")


async def _crashed(at: int, mode: Mode, *, weak: bool) -> tuple[StoredResult, list[str], Told]:
    told, clock = Told(), VirtualClock()
    told.fails["fails"] = 1
    return *await crashed(nested(told), at, mode, clock, weak=weak), told


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("weak", [False, True])
@pytest.mark.parametrize("mode", MODES)
async def test_a_worker_dies_at_each_call_and_what_is_done_is_undone_all_the_same(mode: Mode, weak: bool) -> None:
    at, crashes = 1, 0
    while True:
        result, calls, told = await _crashed(at, mode, weak=weak)
        where = f"{mode} call {at} of {calls}"
        assert result.status == "failed", where
        assert [error.key for error in result.errors] == ["fails"], where
        assert {each.key for each in result.undone} == {"a", "left", "right", "b", "call/c1", "call/c2"}, where
        first = {key: told.undone.index(key) for key in told.undone}
        assert first["call/c2"] < first["call/c1"] < first["b"] < min(first["left"], first["right"]), where
        assert max(first["left"], first["right"]) < first["a"], where
        if at > len(calls):
            break
        crashes += 1
        at += 5 if weak else 1
    assert crashes >= 6
