"""A program that starts a run on a new file, and works on it."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from flowcraft_core import FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_sqlite import SqliteBackend
from starts.said import said


async def main() -> None:
    """Run one step."""
    has_run = asyncio.Event()

    async def step(ctx: NodeContext[Any, Any]) -> None:
        said()
        has_run.set()

    flow = create_flow("first").node("step", step)
    with tempfile.TemporaryDirectory() as folder:
        async with SqliteBackend(Path(folder) / "runs.db") as backend:
            worker = Worker(backend, FlowRuntime([flow]), reconcile=False)
            working = asyncio.ensure_future(worker.run())
            await Client(backend).start(flow)
            await has_run.wait()
            worker.stop()
            await working


asyncio.run(main())
