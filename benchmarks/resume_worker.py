"""A worker as a process: ``python resume_worker.py <URL> <step at which it waits to be killed, or -1>``."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext
from flowcraft_core.durable import Worker
from flowcraft_postgres import PostgresBackend
from flowcraft_sqlite import SqliteBackend
from shapes import flow_of

STEPS = 20


async def step(ctx: NodeContext[Any, int]) -> int:
    """Does nothing; one of them waits to be killed."""
    if int(ctx.key) == ctx.dependencies:
        print("here", flush=True)
        await asyncio.sleep(3_600.0)
    return 1


def flow() -> FlowBuilder:
    """A chain."""
    return flow_of("chain", STEPS, step)


def backend_of(url: str) -> SqliteBackend | PostgresBackend:
    """The backend at a URL."""
    return (SqliteBackend if url.startswith("sqlite:") else PostgresBackend).from_url(url)


async def main(url: str, killed_at: str) -> None:
    """Work with the settings that a worker has by default."""
    async with backend_of(url) as backend:
        print("open", flush=True)
        await Worker(backend, FlowRuntime([flow()], dependencies=int(killed_at))).run(handle_signals=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
