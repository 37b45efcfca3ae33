"""A worker as a process: ``python chaos_worker.py <file>``."""

from __future__ import annotations

import asyncio
import sys

from chaos_flows import FLOWS
from flowcraft_core import FlowRuntime
from flowcraft_core.durable import Settings, Worker
from flowcraft_sqlite import SqliteBackend


async def main(path: str) -> None:
    """Work on a file's jobs until the process is told to end."""
    async with SqliteBackend(path, busy_timeout=30) as backend:
        runtime = FlowRuntime([build() for build in FLOWS.values()])
        worker = Worker(
            backend,
            runtime,
            concurrency=8,
            visibility=2.0,
            poll=0.5,
            reconcile_interval=2.0,
            control_interval=1.0,
            # Workers are killed all the time here: that one step is under way each time must not count as its fault.
            settings=Settings(delivery_limit=1_000),
        )
        await worker.run(handle_signals=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
