"""``python worker.py FILE``: one of the processes that work on the census in a file, until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys

import flow
from flowcraft_core import FlowRuntime
from flowcraft_core.durable import Worker
from flowcraft_sqlite import SqliteBackend

#: Seconds for which a job is a worker's own. A heartbeat renews them; after a kill, so soon others get its jobs.
VISIBILITY = 3.0


async def work(path: str) -> None:
    """Work on the jobs in a file until a signal comes.

    Args:
        path: The file.
    """
    async with SqliteBackend(path) as backend:
        # A worker's parsing holds its interpreter's lock: threads would only wait for one another. The jobs side by
        # side are what lets commits share a sync of the disk.
        runtime = FlowRuntime([flow.census], max_threads=1)
        worker = Worker(backend, runtime, concurrency=16, visibility=VISIBILITY, poll=1.0, reconcile_interval=5.0)
        await worker.run(handle_signals=True)


if __name__ == "__main__":
    gc.set_threshold(100_000)  # see __main__.py
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    asyncio.run(work(sys.argv[1]))
