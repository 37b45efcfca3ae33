"""Runs in every state, on a backend of their own: what the checks look at."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from flowcraft_core import FlowRuntime
from flowcraft_core.durable import Client, Worker, open_url
from flowcraft_core.ports import Backend, Message
from sample_flows import MARKUP, flows

#: Seconds that something may take until it is so.
_PATIENCE = 600.0


@asynccontextmanager
async def working(url: str) -> AsyncIterator[tuple[Backend, Client]]:
    """A backend with a worker on it."""
    async with open_url(url) as backend:
        made = flows()
        worker = Worker(
            backend, FlowRuntime(made), poll=0.2, grace=0.5, told_after=0.3, heartbeat=2.0, reconcile_interval=5.0
        )
        task = asyncio.create_task(worker.run())
        try:
            yield backend, Client(backend, flows=made)
        finally:
            worker.stop()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def until(is_so: Callable[[], Awaitable[bool]], what: str, seconds: float = _PATIENCE) -> None:
    """Wait until something is so.

    Args:
        is_so: Looks.
        what: What is waited for.
        seconds: For how long at most.

    Raises:
        TimeoutError: It has not become so in time.
    """
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    while not await is_so():
        if loop.time() > ends:
            raise TimeoutError(f"it has not come to pass in {seconds:g} s: {what}")
        await asyncio.sleep(0.05)


async def reaches(client: Client, run_id: str, state: str, seconds: float = _PATIENCE) -> None:
    """Wait until a run is in a state."""

    async def is_so() -> bool:
        return (await client.status(run_id)).state == state

    await until(is_so, f"run {run_id} is {state}", seconds)


async def waits_at(client: Client, run_id: str) -> str:
    """Wait until a run waits for somebody, and give the wait's key."""
    keys: list[str] = []

    async def is_so() -> bool:
        found = await client.describe(run_id, values=False, limit=1)
        keys[:] = [wait.key for wait in found.waits if wait.kind == "wait"]
        return bool(keys)

    await until(is_so, f"run {run_id} waits")
    return keys[0]


async def make(backend: Backend, client: Client) -> None:
    """Make the runs."""
    tags = {"kind": "nightly", "tenant": "acme"}
    await client.start("orders", {"total": 80}, run_id="order-open", tags=tags)
    await client.start("orders", {"total": 20}, run_id="order-done", tags=tags)
    await client.start("breaking", run_id="order-broken", tags={"kind": "nightly"})
    await client.start("long", run_id="order-long")
    await client.start("long", run_id="order-cancelled")
    await client.start(f"flow{MARKUP}", {MARKUP: MARKUP}, run_id=f"run{MARKUP}", tags={MARKUP: MARKUP})
    await client.start("large", run_id="order-large")
    await client.start("wide", {"items": 200}, run_id="order-wide")
    await reaches(client, "order-broken", "failed")
    again = await client.redrive("order-broken", new_run_id="order-again")
    await reaches(client, again.run_id, "failed")
    await client.cancel("order-cancelled", reason="ordered twice")
    await client.resume("order-done", await waits_at(client, "order-done"), output={"ok": True}, action="approved")
    await reaches(client, "order-done", "completed")
    key = await waits_at(client, f"run{MARKUP}")
    await client.resume(f"run{MARKUP}", key, output={MARKUP: MARKUP}, action=MARKUP)
    await reaches(client, f"run{MARKUP}", "failed")
    await reaches(client, "order-large", "completed")
    await reaches(client, "order-wide", "completed")
    await waits_at(client, "order-open")
    await client.schedules.make("often", "orders", {"total": 20}, every="30d", tags=tags)
    await client.schedules.make(f"nightly{MARKUP}", f"flow{MARKUP}", cron="30 2 * * *", timezone="Europe/Oslo")
    await client.schedules.pause(f"nightly{MARKUP}")
    # What no worker can read becomes a dead letter.
    await backend.queue.send([Message(f"{{no job: {MARKUP}"), Message("nothing at all")])

    async def has_letters() -> bool:
        return len(await client.dead_letters()) >= 2

    await until(has_letters, "there are dead letters")

    async def is_told_of() -> bool:
        return bool((await client.describe("order-long", values=False)).under_way) and bool(await client.workers())

    await until(is_told_of, "the worker says what it is at")
