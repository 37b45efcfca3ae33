"""One of the programs around a large batch on SQLite, as a process: ``python scale_program.py <what> <file> <items>``.

It says at last, in a line of JSON, how much memory it has taken at most, how long it was at it, and how much of that
it computed.
"""

from __future__ import annotations

import asyncio
import functools
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client, Reconciler, Worker, collect_seldom
from flowcraft_core.ports import Backend
from flowcraft_sqlite import SqliteBackend
from peaks import peak_mib

RUN = "huge"
LANES = 50


def flow_of(items: int, done: Callable[[int], None] = lambda number: None) -> FlowBuilder:
    """A batch of so many numbers in lanes, whose results a step goes through.

    Args:
        items: How many.
        done: Told of each item that was executed, how many there were by then.
    """
    executed = 0

    async def numbers(ctx: NodeContext[Any, Any]) -> list[int]:
        return list(range(items))

    async def square(ctx: NodeContext[Any, Any]) -> int:
        nonlocal executed
        executed += 1
        done(executed)
        return int(ctx.input) ** 2

    async def total(ctx: NodeContext[Any, Any]) -> int:
        results = ctx.input
        if isinstance(results, list):
            return sum(results)
        return sum([result async for result in results])

    flow = create_flow("scale").node("numbers", numbers).batch("squares", square, concurrency=LANES)
    return flow.node("total", total).edge("numbers", "squares").edge("squares", "total")


async def work(backend: Backend, items: int, *, tells: bool = False) -> None:
    """A worker, until the run has ended.

    Args:
        backend: Where the run is.
        items: How many items it has.
        tells: It says when half of them are done.
    """

    def done(number: int) -> None:
        if number == max(1, items // 2) and tells:
            print("half", flush=True)

    collect_seldom()  # as the command's workers do
    flow = flow_of(items, done)
    worker = Worker(backend, FlowRuntime([flow]), reconcile=False)
    working = asyncio.ensure_future(worker.run())
    result = await Client(backend, flows=[flow]).wait(RUN, timeout=86_400, lazy=True)
    worker.stop()
    await working
    should = (items - 1) * items * (2 * items - 1) // 6
    if result.outputs.get("total") != should:
        raise RuntimeError(f"the run is {result.status}, and gave {result.outputs.get('total')}, not {should}")


async def reconcile(backend: Backend, items: int) -> None:
    """A look at the run, which is under way, and whose worker is dead."""
    done = await Reconciler(backend).reconcile(RUN)
    if not done.scanned:
        raise RuntimeError("there is nothing to look at")


async def result(backend: Backend, items: int) -> None:
    """The result, page by page."""
    found = await Client(backend, flows=[flow_of(items)]).result(RUN, lazy=True)
    squares = found.outputs["squares"]
    last = squares[-1] if isinstance(squares, list) else await squares.get(-1)
    if (found.steps, last) != (items + 2, (items - 1) ** 2):
        raise RuntimeError(f"there were {found.steps} steps, the last of which gave {last}")


async def describe(backend: Backend, items: int) -> None:
    """The run, and a page in the middle of its items."""
    client = Client(backend, flows=[flow_of(items)])
    await client.describe(RUN)
    told = await client.describe(RUN, inside="squares", after=f"{items // 2}.0", limit=100)
    if told.total != items:
        raise RuntimeError(f"there are {told.total} items")


async def purge(backend: Backend, items: int) -> None:
    """Removes the run."""
    await Client(backend, flows=[flow_of(items)]).purge(RUN)


PROGRAMS: dict[str, Callable[[Backend, int], Awaitable[None]]] = {
    "worker": work,
    "victim": functools.partial(work, tells=True),
    "successor": work,
    "reconciler": reconcile,
    "result": result,
    "describe": describe,
    "purge": purge,
}


async def main(what: str, path: str, items: str) -> None:
    """Be one of the programs."""
    async with SqliteBackend(path, synchronous="normal") as backend:
        began, worked = time.perf_counter(), time.process_time()
        await PROGRAMS[what](backend, int(items))
        seconds, cpu = time.perf_counter() - began, time.process_time() - worked
    print(json.dumps({"peak_mib": peak_mib(), "seconds": seconds, "cpu_seconds": cpu}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
