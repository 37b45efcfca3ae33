"""Forks: what they keep, and what becomes of those that are cut short."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from flowcraft_core import ConfigurationError, FlowBuilder, NodeContext, create_flow
from flowcraft_core.durable.client import Client

from .helpers import MODES, Crashing, Mode, Place, killed, place

Ctx = NodeContext[Any, Any]
#: More calls than any of the forks here makes.
MANY = 30


def line(calls: Counter[str]) -> FlowBuilder:
    async def step(ctx: Ctx) -> int:
        calls[f"{ctx.run_id} {ctx.key}"] += 1
        await ctx.context.set(ctx.node_id, ctx.run_id)
        return int(ctx.input or 0) + 1

    flow = create_flow("line")
    for node in ("a", "b", "c"):
        flow = flow.node(node, step)
    return flow.edge("a", "b").edge("b", "c")


async def _ended(here: Place, flow: FlowBuilder) -> None:
    await here.client.start(flow, run_id="old")
    async with here.working():
        await here.client.wait("old", timeout=600)


async def test_a_fork_keeps_what_came_before_and_does_the_rest_again() -> None:
    calls: Counter[str] = Counter()
    flow = line(calls)
    async with place(flow) as here:
        await _ended(here, flow)
        await here.client.fork("old", "b", new_run_id="new")
        async with here.working():
            result = await here.client.wait("new", timeout=600)
    assert result.outputs == {"a": 1, "b": 2, "c": 3}
    assert result.context == {"a": "old", "b": "new", "c": "new"}
    assert calls == {"old a": 1, "old b": 1, "old c": 1, "new b": 1, "new c": 1}


async def test_a_redrive_keeps_the_passes_of_a_loop_beside_what_failed() -> None:
    calls: Counter[str] = Counter()

    async def step(ctx: Ctx) -> int:
        calls[f"{ctx.run_id} {ctx.node_id}"] += 1
        number: int = await ctx.context.get("number", 0) + 1
        await ctx.context.set("number", number)
        return number

    async def fails_at_first(ctx: Ctx) -> str:
        if ctx.run_id == "old":
            raise ValueError(ctx.run_id)
        return ctx.run_id

    flow = create_flow("beside").node("s", step).loop("L", start="s", end="s", condition="number < 5")
    flow.sleep("z", "20s").node("x", fails_at_first).edge("z", "x")
    async with place(flow) as here:
        await _ended(here, flow)
        await here.client.redrive("old", new_run_id="new")
        async with here.working():
            result = await here.client.wait("new", timeout=600)
    assert (result.status, result.outputs["L"], result.outputs["x"]) == ("completed", 5, "new")
    assert calls == {"old s": 5}


@pytest.mark.parametrize("mode", MODES)
async def test_a_fork_that_is_cut_short_anywhere_is_finished_by_making_it_again(mode: Mode) -> None:
    cut = 0
    for at in range(1, MANY):
        flow = line(Counter())
        async with place(flow) as here:
            await _ended(here, flow)
            crashing = Crashing(here.backend, at, mode)
            client = Client(crashing, flows=[flow], clock=here.clock)
            done = asyncio.Event()

            async def fork(client: Client = client, done: asyncio.Event = done) -> None:
                await client.fork("old", "b", new_run_id="new")
                done.set()

            await killed(fork, crashing.dead.wait())
            if not done.is_set():
                cut += 1
                try:
                    await here.client.fork("old", "b", new_run_id="new")
                except ConfigurationError:  # nothing was left to be done but to send its first job, if that
                    assert await here.backend.status.get("new") is not None
            async with here.working():
                result = await here.client.wait("new", timeout=3600)
            assert (result.status, result.outputs) == ("completed", {"a": 1, "b": 2, "c": 3})
            assert result.context == {"a": "old", "b": "new", "c": "new"}
        if done.is_set() and len(crashing.calls) < at:
            break
    else:
        raise AssertionError("a fork makes more calls than this test cuts it at")
    assert cut > 5 or mode == "lost"


async def test_a_fork_is_not_mixed_with_another_of_the_same_id() -> None:
    flow = line(Counter())
    async with place(flow) as here:
        await _ended(here, flow)
        crashing = Crashing(here.backend, 6, "after")
        client = Client(crashing, flows=[flow], clock=here.clock)
        await killed(lambda: client.fork("old", "c", new_run_id="new"), crashing.dead.wait())
        assert await here.backend.status.get("new") is None
        with pytest.raises(ConfigurationError, match="there is a run 'new' already"):
            await here.client.fork("old", "b", new_run_id="new")
        assert (await here.client.fork("old", "c", new_run_id="new")).created
        with pytest.raises(ConfigurationError, match="there is a run 'new' already"):
            await here.client.fork("old", "c", new_run_id="new")
