"""A worker as a process: ``python postgres_worker.py <place as JSON> <log>``; it logs each step that it begins.

Whoever starts it sets PYTHONPATH to the folders of its neighbours.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext, RetryPolicy, create_flow
from flowcraft_core.durable import Settings, Worker
from flowcraft_core.errors import TransientError
from postgres_places import Place

WIDTH = 6
_Context = NodeContext[Any, str]


def _note(ctx: _Context) -> None:
    """Leave a line for each time that a step is begun, whatever happens to the process then."""
    if ctx.dependencies:
        with open(ctx.dependencies, "ab", buffering=0) as log:
            log.write(f"{os.getpid()} {ctx.run_id} {ctx.key}\n".encode())


async def _one(ctx: _Context) -> int:
    _note(ctx)
    await ctx.context.set("who", "one")
    return 1


async def _add(ctx: _Context) -> int:
    _note(ctx)
    await asyncio.sleep(0.05)
    return int(ctx.input) + 1


async def _numbers(ctx: _Context) -> list[int]:
    _note(ctx)
    return [place * 10 for place in range(WIDTH)]


async def _total(ctx: _Context) -> int:
    _note(ctx)
    return sum(ctx.input.values()) if isinstance(ctx.input, dict) else sum(ctx.input)


async def _second_time(ctx: _Context) -> int:
    _note(ctx)
    if ctx.attempt < 2:
        raise ValueError("not at once")
    return ctx.attempt


def fan() -> FlowBuilder:
    """One, then some side by side, then a join, then one."""
    flow = create_flow("fan").node("s", _one).node("e", _total).node("after", _add).edge("e", "after")
    for place in range(WIDTH):
        flow.node(f"n{place}", _add).edge("s", f"n{place}").edge(f"n{place}", "e")
    return flow


def batch() -> FlowBuilder:
    """A batch, and one that gathers."""
    flow = create_flow("batch").node("src", _numbers).batch("pages", _add).node("sum", _total)
    return flow.edge("src", "pages").edge("pages", "sum")


def patient() -> FlowBuilder:
    """A retry and a sleep."""
    flow = create_flow("patient").node("a", _second_time, retries=RetryPolicy(delay=0.2)).sleep("z", 0.5)
    return flow.node("b", _add).edge("a", "z").edge("z", "b")


FLOWS = {"fan": fan, "batch": batch, "patient": patient}


def runtime(log: str) -> FlowRuntime:
    """The flows of this module."""
    return FlowRuntime([build() for build in FLOWS.values()], dependencies=log)


async def main(place: Place, log: str) -> None:
    """Work until the process is told to end."""
    backend = place.backend(connections=4, timeout=10.0)
    while True:
        try:
            await backend.open()
            break
        except TransientError:  # the server is away just now
            await asyncio.sleep(0.2)
    try:
        worker = Worker(
            backend,
            runtime(log),
            concurrency=8,
            visibility=3.0,
            poll=1.0,
            reconcile_interval=2.0,
            # Workers are killed all the time: that one step is under way each time must not count as its fault.
            settings=Settings(delivery_limit=1_000),
        )
        await worker.run(handle_signals=True)
    finally:
        await backend.close()


if __name__ == "__main__":
    asyncio.run(main(Place(**json.loads(sys.argv[1])), sys.argv[2]))
