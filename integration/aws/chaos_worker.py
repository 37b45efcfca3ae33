"""A worker as a process: ``python chaos_worker.py <place as JSON> <log>``; it logs each step that it begins.

Whoever starts it sets PYTHONPATH to the folders of its neighbours.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from aws_emulators import Place
from flowcraft_aws import SqsAdapter
from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Settings

WIDTH = 6
_Context = NodeContext[Any, str]


def _note(ctx: _Context) -> None:
    """Leave a line for each time that a step is begun, whatever happens to the process then."""
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


FLOWS = {"fan": fan, "batch": batch}


def make_adapter(place: Place, log: str, **options: Any) -> SqsAdapter:
    """An adapter for the flows of this module."""
    return place.adapter(FlowRuntime([build() for build in FLOWS.values()], dependencies=log), **options)


if __name__ == "__main__":
    _options: dict[str, Any] = {"concurrency": 4, "visibility": 3.0, "poll": 1.0, "reconcile_interval": 2.0}
    # Whoever kills a worker every few steps kills some step again and again, which is none that kills.
    _options["settings"] = Settings(delivery_limit=1_000)
    _adapter = make_adapter(Place(**json.loads(sys.argv[1])), sys.argv[2], **_options)
    asyncio.run(_adapter.serve(handle_signals=True))
