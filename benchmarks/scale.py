"""``scale``: a batch of a thousand items up to a million: what each program takes of memory, and an item of time."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

import scale_program
from flowcraft_core import FlowRuntime
from flowcraft_core.durable import Client, Worker
from flowcraft_sqlite import SqliteBackend
from flowcraft_testkit import VirtualClock
from flowcraft_testkit.counting import CountingBackend
from flowcraft_testkit.memory import InMemoryBackend
from scale_program import LANES, RUN, flow_of

HELP = "a batch of 1,000 to 1,000,000 items: memory of each program and time per item on SQLite, requests in a cloud"
SHORT = (("--sizes", "1000,10000"),)

_SIZES = (1_000, 10_000, 100_000)
_MILLION = 1_000_000
#: What each program may take, MiB; and how much more time, or requests, an item of a larger batch.
_MOST_MIB, _FLAT = 512.0, 0.15
_PATIENCE = 6 * 3_600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command line may say."""
    parser.add_argument("--million", action="store_true", help="a batch of a million items, too; it takes long")
    parser.add_argument("--sizes", metavar="N,N", help="batches of so many items instead")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure, print line by line, and give the figures."""
    sizes = tuple(int(size) for size in options.sizes.split(",")) if options.sizes else _SIZES
    sizes += (_MILLION,) if options.million else ()
    print(f"batches with {LANES} lanes; each program on SQLite is a process of its own")
    rows: list[dict[str, Any]] = []
    for items in sizes:
        programs = asyncio.run(_on_sqlite(items))
        requests = asyncio.run(_in_a_cloud(items))
        # Of the processor: what else a machine does, and how soon somebody notices the end, is not the batch's.
        us = programs["worker"]["cpu_seconds"] * 1_000_000 / items
        rows.append({"items": items, "programs": programs, "cpu_us_per_item": us, "requests_per_item": requests})
        peaks = ", ".join(f"{name} {program['peak_mib']:.0f}" for name, program in programs.items())
        print(f"{items:,} items: {us:.0f} us of a processor and {requests:.3f} requests for each; at most MiB: {peaks}")
    slower, dearer = (_growth(rows, name) for name in ("cpu_us_per_item", "requests_per_item"))
    most = max(program["peak_mib"] for row in rows for program in row["programs"].values())
    ok = most < _MOST_MIB and slower <= _FLAT and dearer <= _FLAT
    print(
        f"at most {most:.0f} MiB, {_MOST_MIB:g} are allowed; an item of a larger batch takes at most"
        f" {slower:+.0%} of the time and {dearer:+.0%} of the requests of one of the smallest, {_FLAT:+.0%} are allowed"
    )
    bounds = {"mib": _MOST_MIB, "more": _FLAT}
    return {"ok": ok, "most_mib": most, "more_time": slower, "more_requests": dearer, "bounds": bounds, "rows": rows}


def _growth(rows: list[dict[str, Any]], name: str) -> float:
    """How much more an item of a larger batch costs, at most, than one of the smallest, as a share."""
    first: float = rows[0][name]
    return max((row[name] / first - 1.0 for row in rows[1:]), default=0.0)


async def _on_sqlite(items: int) -> dict[str, dict[str, float]]:
    """What each program says at last: a worker, another one in the place of one that is killed, and who looks on."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.db"
        async with SqliteBackend(path) as backend:
            flow = flow_of(items)
            await Client(backend, flows=[flow]).start(flow, run_id=RUN)
        found = {"worker": await _ended(await _begin("worker", path, items))}
        for name in ("result", "describe", "purge"):
            found[name] = await _ended(await _begin(name, path, items))
        async with SqliteBackend(path) as backend:
            await Client(backend, flows=[flow]).start(flow, run_id=RUN)
        victim = await _begin("victim", path, items)
        said = await _line(victim)
        victim.kill()
        await victim.wait()
        if said != "half":
            raise RuntimeError(f"the worker said {said!r}: above is why")
        for name in ("reconciler", "successor"):
            found[name] = await _ended(await _begin(name, path, items))
    return found


async def _begin(what: str, path: Path, items: int) -> Process:
    program = str(Path(scale_program.__file__))
    return await asyncio.create_subprocess_exec(sys.executable, program, what, str(path), str(items), stdout=PIPE)


async def _line(process: Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), _PATIENCE)).decode().strip()


async def _ended(process: Process) -> dict[str, float]:
    said = await _line(process)
    if await process.wait() or not said:
        raise RuntimeError("a program has failed: above is why")
    figures: dict[str, float] = json.loads(said)
    return figures


async def _in_a_cloud(items: int) -> float:
    """Requests for each item, of a worker on a store as weak as a cloud's, until the run has ended."""
    clock = VirtualClock()
    world, flow = InMemoryBackend(clock=clock), flow_of(items)
    counted, reader = CountingBackend(world.connect()), world.connect()
    async with world, reader:
        await counted.open()
        client = Client(reader, flows=[flow], clock=clock)
        # A reconciler and a heartbeat cost by the hour, and no item more.
        worker = Worker(counted, FlowRuntime([flow], clock=clock), reconcile=False, heartbeat=None)
        working = asyncio.ensure_future(worker.run())
        await client.start(flow, run_id=RUN)
        ended = await client.wait(RUN, timeout=10 * 86_400, lazy=True)
        worker.stop()
        await working
        await counted.close()
        if ended.status != "completed":
            raise RuntimeError(f"the run is {ended.status}: {ended.errors}")
    counts = dict(counted.counts())
    counts.pop("queue.receive.empty", None)
    return sum(counts.values()) / items
