"""Clients, workers and reconcilers, with hundreds of faults between them and their services: the results stay right."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from typing import Any, TypeVar

from flowcraft_core import FlowBuilder, FlowRuntime, create_flow
from flowcraft_core.durable import Adapter, Client
from flowcraft_core.errors import TransientError
from proxy import Proxy

T = TypeVar("T")

#: How long all runs may take, seconds; time is real, and much of it is pauses after faults.
PATIENCE = 240.0


async def _start(ctx: Any) -> int:
    return int(await ctx.context.get("n"))


async def _add(ctx: Any) -> int:
    return int(ctx.input) + 1


async def _total(ctx: Any) -> int:
    await ctx.context.set("total", sum(ctx.input.values()))
    return int(sum(ctx.input.values()))


async def _items(ctx: Any) -> list[int]:
    return list(range(int(await ctx.context.get("n"))))


async def _square(ctx: Any) -> int:
    return int(ctx.input) ** 2


def flows() -> list[FlowBuilder]:
    """A chain, a fan that comes together, a batch, and a loop."""
    chain = create_flow("chain").node("s0", _start)
    for place in range(1, 6):
        chain.node(f"s{place}", _add).edge(f"s{place - 1}", f"s{place}")
    fan = create_flow("fan").node("s", _start).node("end", _total)
    for place in range(4):
        fan.node(f"b{place}", _add).edge("s", f"b{place}").edge(f"b{place}", "end")
    batch = create_flow("batch").node("s", _items).batch("squares", _square).edge("s", "squares")
    loop = create_flow("looped").node("s", _start).node("body", _add)
    loop.loop("again", start="body", end="body", condition="result.output < 6").edge("s", "body")
    return [chain, fan, batch, loop]


async def in_the_end(call: Callable[[], Awaitable[T]], deadline: float) -> T:
    """What a call gives once it comes through."""
    while True:
        try:
            return await call()
        except TransientError:
            if time.monotonic() > deadline:
                raise


async def runs_through(
    proxies: Sequence[Proxy], make_adapter: Callable[[FlowRuntime], Adapter], *, rate: float, runs: int, least: int
) -> dict[str, int]:
    """Carry out runs while things go wrong, and compare their results with those in one process.

    Args:
        proxies: What all go through.
        make_adapter: Makes an adapter that goes through them.
        rate: Of how many requests something goes wrong with.
        runs: How many runs of each flow.
        least: How many faults there must have been.

    Returns:
        How often each kind of fault was met.
    """
    deadline = time.monotonic() + PATIENCE
    expected = {
        (flow.id, n): await FlowRuntime([flow]).run(flow, {"n": n}) for flow in flows() for n in range(1, runs + 1)
    }
    workers = [make_adapter(FlowRuntime(flows())) for _ in range(2)]
    async with AsyncExitStack() as opened, make_adapter(FlowRuntime(flows())) as starter:
        for worker in workers:  # before anything goes wrong: what cannot be opened does not work
            await opened.enter_async_context(worker)
        serving = [asyncio.ensure_future(worker.serve()) for worker in workers]
        client: Client = starter.client
        with ExitStack() as trouble:
            for proxy in proxies:
                trouble.enter_context(proxy.trouble(proxy.kinds, rate=rate))
            begun = {}
            for flow, n in expected:
                run_id = f"{flow}-{n}"
                begun[flow, n] = run_id
                await in_the_end(lambda f=flow, n=n, r=run_id: client.start(f, {"n": n}, run_id=r), deadline)  # type: ignore[misc]
            for run_id in begun.values():
                await in_the_end(lambda r=run_id: client.wait(r, timeout=deadline - time.monotonic()), deadline)  # type: ignore[misc]
                await in_the_end(lambda r=run_id: starter.reconcile(r), deadline)  # type: ignore[misc]
            faults = sum(sum(proxy.faults.values()) for proxy in proxies)
            extra = 0
            while faults < least:  # a busy reconciler meets what is left to be met
                extra += 1
                await in_the_end(starter.reconcile, deadline)
                await in_the_end(lambda: client.status(next(iter(begun.values()))), deadline)
                faults = sum(sum(proxy.faults.values()) for proxy in proxies)
        for (flow, n), run_id in begun.items():
            result = await client.result(run_id)
            right = expected[flow, n]
            assert result.status == right.status == "completed", f"{run_id} is {result.status}: {result.reason}"
            assert result.outputs == right.outputs, f"{run_id} has {result.outputs}, and not {right.outputs}"
            assert result.context == right.context, f"{run_id} has {result.context}, and not {right.context}"
        assert await client.dead_letters() == []
        assert not any(task.done() for task in serving), f"a worker has ended: {serving}"
        for worker in workers:
            worker.stop()
        await asyncio.gather(*serving)
    met: dict[str, int] = {}
    for proxy in proxies:
        for kind, times in proxy.faults.items():
            met[kind] = met.get(kind, 0) + times
    return met
