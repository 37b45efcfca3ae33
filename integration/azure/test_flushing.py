"""``FLUSHALL`` on a real Redis in the middle of a run: it is delayed by it, and right."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from azure_emulators import Emulators
from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client, StoredResult, Worker
from flowcraft_testkit.contracts import FastClock
from flowcraft_testkit.contracts.interposed import Call, Interposed
from hastened import Hastened
from on_azure import MAX_DELAY
from on_emulators import RATE
from places import Place

_WIDTH = 50
_MOMENTS = range(20)


async def _one(ctx: NodeContext) -> int:
    return 1


async def _total(ctx: NodeContext) -> int:
    return sum(ctx.input.values() if isinstance(ctx.input, dict) else ctx.input)


async def _numbers(ctx: NodeContext) -> list[int]:
    return list(range(_WIDTH))


async def _double(ctx: NodeContext) -> int:
    return 2 * int(ctx.input)


async def _echo(ctx: NodeContext) -> Any:
    return ctx.input


def _fan() -> FlowBuilder:
    flow = create_flow("fan").node("s", _one).node("e", _total)
    for place in range(_WIDTH):
        flow.node(f"n{place}", _one).edge("s", f"n{place}").edge(f"n{place}", "e")
    return flow


def _batch() -> FlowBuilder:
    flow = create_flow("batch").node("s", _numbers).batch("each", _double).node("e", _total)
    return flow.edge("s", "each").edge("each", "e")


def _any() -> FlowBuilder:
    """Five ways fail, and the sixth does not: it is what the join of any gives."""

    async def fails(ctx: NodeContext) -> int:
        raise ValueError("not this way")

    async def comes_late(ctx: NodeContext) -> int:
        await asyncio.sleep(0.3)  # so that each of the others arrives before it
        return 1

    flow = create_flow("any").node("s", _one).node("e", _echo, join="any")
    for place in range(6):
        flow.node(f"n{place}", comes_late if place == 5 else fails).edge("s", f"n{place}").edge(f"n{place}", "e")
    return flow


_FLOWS: dict[str, tuple[Callable[[], FlowBuilder], Any]] = {
    "fan": (_fan, _WIDTH),
    "batch": (_batch, _WIDTH * (_WIDTH - 1)),
    "any": (_any, 1),
}


@pytest.mark.parametrize("shape", _FLOWS)
async def test_flushing_redis_delays_a_run_and_no_more(emulators: Emulators, shape: str) -> None:
    """Twenty times, each at another call to Redis; and each time it is flushed indeed."""
    make, expected = _FLOWS[shape]
    flow = make()
    right = 0
    for moment in _MOMENTS:
        place = Place(emulators)
        await place.create()
        result, flushed = await _run(place, flow, moment)
        await place.remove()
        assert flushed, f"moment {moment} of {shape} never came"
        assert (result.status, result.outputs["e"]) == ("completed", expected)
        right += 1
    assert right == len(_MOMENTS)


async def _run(place: Place, flow: FlowBuilder, moment: int) -> tuple[StoredResult, bool]:
    """Run a flow on two workers, and flush Redis just before or after somebody arrives."""
    clock, arrived, flushed = FastClock(RATE), 0, False
    redis = place.emulators.redis_client()
    # Every second time before, every second time after; a join of any is called for once per failed way.
    at, before = moment // 2 % 5 if flow.id == "any" else moment * 2, moment % 2 == 0

    async def around(operation: str, call: Call) -> Any:
        nonlocal arrived, flushed
        hit = False
        if operation == "coordination.add_members":
            before_it, arrived = arrived, arrived + len(call.args) - 1  # those who arrive together share a call
            hit = before_it <= at < arrived
        if hit and before:
            flushed = bool(await redis.flushall())
        answer = await call()
        if hit and not before:
            flushed = bool(await redis.flushall())
        return answer

    backends = [Hastened(place.backend(longest_pause=0.1), clock, max_delay=MAX_DELAY, own_time=True) for _ in range(3)]
    for backend in backends:
        await backend.open()
    runtime = FlowRuntime([flow], clock=clock)
    workers = [
        Worker(Interposed(backend, around), runtime, visibility=20.0, poll=5.0, reconcile_interval=10.0)
        for backend in backends[1:]
    ]
    working = [asyncio.ensure_future(worker.run()) for worker in workers]
    client = Client(backends[0], flows=[flow], clock=clock)
    result = await client.wait((await client.start(flow)).run_id, timeout=600.0)
    for worker in workers:
        worker.stop()
    await asyncio.gather(*working)
    for backend in backends:
        await backend.close()
    await redis.aclose()
    return result, flushed
