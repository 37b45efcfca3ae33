"""A worker as a process, at a backend's URL: ``python peers_worker.py <URL>``; it says when it is open."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext
from flowcraft_core.durable import Worker, open_url
from peers_steps import LENGTH, tell_end
from shapes import flow_of


async def step(ctx: NodeContext[Any, Any]) -> int:
    """Does nothing; the last of a chain tells so."""
    if ctx.key == str(LENGTH - 1):
        tell_end(ctx.run_id)
    return 1


def flow() -> FlowBuilder:
    """A chain."""
    return flow_of("chain", LENGTH, step)


async def main(url: str) -> None:
    """Work with the settings that a worker has by default."""
    async with open_url(url) as backend:
        print("open", flush=True)
        await Worker(backend, FlowRuntime([flow()])).run(handle_signals=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
