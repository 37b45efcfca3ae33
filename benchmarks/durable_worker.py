"""One of several workers on a file: ``python durable_worker.py <URL>``. It says when it is there, and how runs end."""

from __future__ import annotations

import asyncio
import sys

from flowcraft_core import Event, FlowBuilder, FlowRuntime
from flowcraft_core.durable import Worker
from flowcraft_core.events import RunEnded
from flowcraft_sqlite import SqliteBackend
from shapes import awaited_step, flow_of

STEPS = 20


def flow() -> FlowBuilder:
    """A chain."""
    return flow_of("chain", STEPS, awaited_step)


def say(event: Event) -> None:
    """Say how a run has ended."""
    if isinstance(event, RunEnded):
        print(event.status, flush=True)


async def main(url: str) -> None:
    """Work until it is told to stop."""
    async with SqliteBackend.from_url(url) as backend:
        worker = Worker(backend, FlowRuntime([flow()], events=say), concurrency=64, prefetch=64, reconcile=False)
        print("there", flush=True)
        await worker.run(handle_signals=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
