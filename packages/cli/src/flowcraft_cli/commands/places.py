"""``flowcraft queues``, ``workers`` and ``provision``: the backend, and who works there."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import attrs
import click
from flowcraft_core.durable import provision_url
from flowcraft_core.durations import lasting
from flowcraft_core.urls import hide_secrets

from ..command import App, Commands
from ..output import brief
from ..places import place, url_of
from ..values import TIME

_WORKERS = [8, 8, 20, 7, 7, 10, 7, 16]
_QUEUES = [24, 9, 9, 9, 9]


def register(main: Commands) -> None:
    """Add the commands."""
    main.command("queues", settings=("backend",), examples="flowcraft queues")(queues)
    main.command(
        "workers",
        settings=("backend",),
        examples="""
            flowcraft workers
            flowcraft workers --within 1h --json
        """,
    )(workers)
    main.command(
        "provision",
        settings=("backend",),
        examples="""
            flowcraft provision --backend sqlite:///runs.db
            flowcraft provision --backend aws://eu-west-1/shop
        """,
    )(provision)


@click.option("--over", type=click.FloatRange(0), default=0.0, help="Measure again so many seconds later.")
async def queues(app: App, over: float) -> dict[str, Any]:
    """Show the queues, their workers and their depth.

    How many workers say to serve each, and how many messages it has, about; with --over, how fast that grows or
    shrinks.
    """
    found: list[dict[str, Any]] = []
    app.out.heading(["QUEUE", "WORKERS", "READY", "HELD", "LATER", "PER SECOND"], _QUEUES)
    async with place(app, reads_values=False) as here:
        before = {queue.name: queue for queue in await here.client.queues()}
        begun = time.monotonic()
        if over:
            await asyncio.sleep(over)
        for queue in await here.client.queues() if over else before.values():
            pace = None
            first = before.get(queue.name)
            if over and first is not None and queue.visible is not None and first.visible is not None:
                pace = (queue.visible - first.visible) / (time.monotonic() - begun)
            counts = [queue.visible, queue.in_flight, queue.delayed]
            cells = [str(queue.workers), *("?" if count is None else str(count) for count in counts)]
            called = queue.name if queue.place is None else f"{queue.name} ({queue.place})"
            app.out.row([called, *cells, "" if pace is None else f"{pace:+.1f}"], _QUEUES)
            found.append({**attrs.asdict(queue), "per_second": pace})
            if not queue.workers and queue.visible:
                app.out.note(f"no worker serves queue {queue.name}")
    return {"queues": found}


@click.option(
    "--within", default="150s", type=TIME, metavar="TIME", help="Those that were heard of so lately; 150s by default."
)
async def workers(app: App, within: str) -> dict[str, Any]:
    """Show who works here.

    Host, process, flows, load, since when, and when each was last heard of.
    """
    app.out.heading(["WORKER", "STATE", "HOST", "PID", "LOAD", "FOR", "HEARD", "QUEUES", "FLOWS"], [*_WORKERS, 8])
    async with place(app, reads_values=False) as here:
        found = await here.client.workers(within=within)
    now = time.time()
    for worker in found:
        load, lived = f"{worker.busy}/{worker.concurrency}", lasting(max(0.0, now - worker.since))
        heard = f"{max(0.0, now - worker.seen):.0f} s"
        cells = [worker.name[:8], worker.state, brief(worker.host, 20), str(worker.pid), load, lived, heard]
        app.out.row([*cells, ",".join(worker.queues), ", ".join(worker.flows)], [*_WORKERS, 8])
    if not found:
        app.out.note("none has been heard of: start one with flowcraft worker (it is seen after some seconds)")
    return {"workers": [attrs.asdict(worker) for worker in found]}


async def provision(app: App) -> dict[str, Any]:
    """Create what the backend needs.

    As far as it is missing; what is there stays as it is.
    """
    url = url_of(app)
    there = await provision_url(url)
    for line in there:
        app.out.say(line)
    return {"backend": hide_secrets(url), "there": list(there)}
