"""One of the programs around many runs on SQLite, as a process: ``python many_program.py <what> <file> <runs>``.

At last it says in a line of JSON what it did: requests, time of the processor, memory.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from flowcraft_core import Event, FlowBuilder, FlowRuntime, NodeContext, SystemClock, create_flow
from flowcraft_core.durable import Client, Reconciler, Worker
from flowcraft_core.events import NodeSuspended, RunEnded
from flowcraft_sqlite import SqliteBackend
from flowcraft_testkit.counting import CountingBackend
from peaks import peak_mib

#: How many runs are on a page of a list, and how many pages are read.
PAGE, PAGES = 100, 2
_DAY = 86_400.0
# So many are started side by side, and so many steps of waiting runs are done at once.
_AT_ONCE = 50

# Of a run that was started longer ago than this a worker asks for the status, and says that it is busy with it: it is
# to do so for all, since the last of many have been there for long. Seconds.
_OLD = 21.0

Said = dict[str, Any]


async def _step(ctx: NodeContext[Any, Any]) -> int:
    return 1


def waiting() -> FlowBuilder:
    """A step, and then a wait."""
    return create_flow("waiting").node("step", _step).wait("wait").edge("step", "wait")


def sleeping() -> FlowBuilder:
    """A step, and then a sleep of a month."""
    return create_flow("sleeping").node("step", _step).sleep("sleep", "30d").edge("step", "sleep")


class _Later(SystemClock):
    def now(self) -> float:
        """Ten days from now, when each run is due for a look."""
        return super().now() + 10 * _DAY


async def _start(client: Client, runs: int) -> None:
    """Start half of them to wait, half to sleep."""
    flows = [waiting(), sleeping()]
    for first in range(0, runs, _AT_ONCE):
        some = range(first, min(first + _AT_ONCE, runs))
        await asyncio.gather(*(client.start(flows[number % 2], run_id=f"run {number:07}") for number in some))


async def fill(backend: CountingBackend, runs: int) -> Said:
    """Start all of them."""
    await _start(Client(backend), runs)
    await asyncio.sleep(_OLD)
    return {}


async def work(backend: CountingBackend, runs: int) -> Said:
    """Do what can be done of each: all are queued at first, and wait or sleep at last."""
    suspended, every = 0, asyncio.Event()

    def hear(event: Event) -> None:
        nonlocal suspended
        suspended += isinstance(event, NodeSuspended)
        if suspended == runs:
            every.set()

    worker = Worker(backend, FlowRuntime([waiting(), sleeping()], events=hear), reconcile=False, heartbeat=None)
    working = asyncio.ensure_future(worker.run())
    await every.wait()
    worker.stop()
    await working
    return {}


async def idle(backend: CountingBackend, runs: int) -> Said:
    """A round of the reconciler's on the same day, when no run is due any more."""
    done = await Reconciler(backend, clock=_Later()).run_once()
    return {"looked": done.scanned}


async def look(backend: CountingBackend, runs: int) -> Said:
    """A round of the reconciler's, when all are."""
    done = await Reconciler(backend, clock=_Later()).run_once()
    if (done.scanned, done.errors) != (runs, 0):
        raise RuntimeError(f"it has looked at {done.scanned} runs, of which {done.errors} failed")
    return {"looked": done.scanned}


async def list_first(backend: CountingBackend, runs: int) -> Said:
    """The first pages of a list of all runs."""
    return await _list(backend, after=None)


async def list_last(backend: CountingBackend, runs: int) -> Said:
    """Pages of those that are listed last: the cursor says where the list goes on."""
    client, after = Client(backend), None
    for _ in range(max(0, runs // 1_000 - 1)):
        after = (await client.runs_page(limit=1_000, after=after)).cursor
    backend.reset()
    return await _list(backend, after=after)


async def _list(backend: CountingBackend, after: str | None) -> Said:
    client = Client(backend)
    worked, found = time.process_time(), 0
    for _ in range(PAGES):
        page = await client.runs_page(limit=PAGE, after=after)
        found, after = found + len(page.runs), page.cursor
        if not page.runs:
            raise RuntimeError(f"the page after {found} runs is empty")
    return {"list_cpu_seconds": time.process_time() - worked}


async def at_once(backend: CountingBackend, runs: int) -> Said:
    """All of the runs under way in one worker: each is at a step that waits until all are."""
    begun, every = 0, asyncio.Event()

    async def meet(ctx: NodeContext[Any, Any]) -> int:
        nonlocal begun
        begun += 1
        if begun == runs:
            every.set()
        await every.wait()
        return begun

    flow, ended, all_ended = create_flow("at once").node("meet", meet), 0, asyncio.Event()

    def hear(event: Event) -> None:
        nonlocal ended
        ended += isinstance(event, RunEnded)
        if ended == runs:
            all_ended.set()

    client = Client(backend)
    for first in range(0, runs, _AT_ONCE):
        await asyncio.gather(*(client.start(flow) for _ in range(first, min(first + _AT_ONCE, runs))))
    base = peak_mib()
    worker = Worker(backend, FlowRuntime([flow], events=hear), concurrency=runs, reconcile=False, heartbeat=None)
    working = asyncio.ensure_future(worker.run())
    await all_ended.wait()
    worker.stop()
    await working
    return {"kib_per_run": (peak_mib() - base) * 1024 / runs}


PROGRAMS: dict[str, Callable[[CountingBackend, int], Awaitable[Said]]] = {
    "fill": fill,
    "work": work,
    "idle": idle,
    "list_first": list_first,
    "list_last": list_last,
    "look": look,
    "at_once": at_once,
}


async def main(what: str, path: str, runs: str) -> None:
    """Be one of the programs."""
    async with SqliteBackend(path, synchronous="normal") as inner:
        backend = CountingBackend(inner)
        base, worked = peak_mib(), time.process_time()
        said = await PROGRAMS[what](backend, int(runs))
        cpu = time.process_time() - worked
        counts = backend.counts()
    requests = sum(count for name, count in counts.items() if name != "queue.receive.empty")
    print(json.dumps({"requests": requests, "cpu_seconds": cpu, "base_mib": base, "peak_mib": peak_mib(), **said}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
