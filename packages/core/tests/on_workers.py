"""Runs a flow on a worker over a backend in memory, on a clock that passes by itself."""

from __future__ import annotations

import asyncio
from typing import Any

from flowcraft_core import FlowRuntime
from flowcraft_core.durable import Client, StoredResult, Worker
from flowcraft_testkit import InMemoryBackend, VirtualClock, Weaknesses


async def on_a_worker(flow: Any, given: Any = None, **options: Any) -> StoredResult[Any]:
    """The result of a run by a worker whose runtime is made with these options.

    Args:
        flow: The flow.
        given: What it is started with.
        options: Of the runtime.
    """
    clock = VirtualClock()
    async with InMemoryBackend(clock=clock, weaknesses=Weaknesses.none()) as backend:
        client = Client(backend, flows=[flow], clock=clock)
        await client.start(flow, given, run_id="r")
        place = backend.connect()
        await place.open()
        worker = Worker(place, FlowRuntime([flow], clock=clock, **options), poll=5.0)
        working = asyncio.ensure_future(worker.run())
        try:
            return await client.wait("r", timeout=600)
        finally:
            worker.stop()
            await working
