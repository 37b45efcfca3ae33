"""``scale``: a batch of a thousand items up to a million, and a loop of a thousand passes up to eight thousand.

What each program around a batch takes of memory, and an item of time and requests; what a pass costs who looks at the
loop from outside. Small batches are measured several times, and what counts is the middle; large ones once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

import scale_loops
import scale_program
from deaths import Mortal
from flowcraft_core import FlowRuntime
from flowcraft_core.durable import Client, Worker
from flowcraft_sqlite import SqliteBackend
from flowcraft_testkit import VirtualClock
from flowcraft_testkit.counting import CountingBackend
from flowcraft_testkit.memory import InMemoryBackend
from growth import exponent
from scale_program import LANES, RUN, flow_of

HELP = "batches of up to a million items: memory and time on SQLite, requests in a cloud; long loops"
SHORT = (("--sizes", "1000,10000", "--rounds", "3"),)

_SIZES = (1_000, 10_000, 100_000)
_MILLION = 1_000_000
#: What each program may take, MiB; and how much more time, or requests, an item of a larger batch.
_MOST_MIB, _FLAT = 512.0, 0.15
#: Batches of more items are measured once.
_OFTEN = 10_000
#: Passes of loops; and the power of them with which a look at one may grow: 1 is linear, 2 quadratic. What is not
#: work grows a little, too: garbage collection, and memory that no cache holds any more.
_PASSES, _LINEAR = (1_000, 2_000, 4_000, 8_000), 1.3
_PATIENCE = 6 * 3_600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command line may say."""
    parser.add_argument("--million", action="store_true", help="a batch of a million items, too; it takes long")
    parser.add_argument("--sizes", metavar="N,N", help="batches of so many items instead")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="measure small ones so often; %(default)s")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure, print line by line, and give the figures."""
    sizes = tuple(int(size) for size in options.sizes.split(",")) if options.sizes else _SIZES
    sizes += (_MILLION,) if options.million else ()
    print(f"batches with {LANES} lanes; each program on SQLite is a process of its own")
    rows: list[dict[str, Any]] = []
    for items in sizes:
        rows.append(row := _row(items, options.rounds if items <= _OFTEN else 1))
        peaks = ", ".join(f"{name} {program['peak_mib']:.0f}" for name, program in row["programs"].items())
        low, high = row["cpu_us_per_item_spread"]
        print(
            f"{items:,} items: {row['cpu_us_per_item']:.0f} us of a processor ({low:.0f} to {high:.0f}) and"
            f" {row['requests_per_item']:.3f} requests for each, {row['requests_per_item_killed']:.3f} if a worker is"
            f" killed, whose successor takes {row['successor_us_per_item']:.0f} us; at most MiB: {peaks}",
            flush=True,
        )
    slower = max(_growth(rows, name) for name in ("cpu_us_per_item", "successor_us_per_item"))
    dearer = max(_growth(rows, name) for name in ("requests_per_item", "requests_per_item_killed"))
    most = max(program["peak_mib"] for row in rows for program in row["programs"].values())
    loops = scale_loops.measured(_PASSES, max(3, options.rounds))
    grows = _grows(loops)
    ok = most < _MOST_MIB and slower <= _FLAT and dearer <= _FLAT and max(grows.values()) <= _LINEAR
    print(
        f"at most {most:.0f} MiB, {_MOST_MIB:g} are allowed; an item of a larger one takes at most"
        f" {slower:+.0%} of the time and {dearer:+.0%} of the requests of one of a smaller, {_FLAT:+.0%} are allowed"
    )
    said = {"ok": ok, "most_mib": most, "more_time": slower, "more_requests": dearer, "rows": rows, "lanes": LANES}
    return {**said, "loops": loops, "power": grows, "bounds": {"mib": _MOST_MIB, "more": _FLAT, "power": _LINEAR}}


def _row(items: int, rounds: int) -> dict[str, Any]:
    """What was measured of a batch: of memory the most of all rounds, of time the middle."""
    measured = [asyncio.run(_on_sqlite(items)) for _ in range(rounds)]
    programs = {
        name: {
            "peak_mib": max(each[name]["peak_mib"] for each in measured),
            **{what: statistics.median(each[name][what] for each in measured) for what in ("seconds", "cpu_seconds")},
        }
        for name in measured[0]
    }
    # Of the processor: what else a machine does, and how soon somebody notices the end, is not the batch's.
    us = [each["worker"]["cpu_seconds"] * 1_000_000 / items for each in measured]
    return {
        "items": items,
        "rounds": rounds,
        "programs": programs,
        "cpu_us_per_item": statistics.median(us),
        "cpu_us_per_item_spread": [min(us), max(us)],
        # One more has done half of them, and what the first one had in hand.
        "successor_us_per_item": statistics.median(
            each["successor"]["cpu_seconds"] * 1_000_000 / items for each in measured
        ),
        "requests_per_item": asyncio.run(_in_a_cloud(items)),
        "requests_per_item_killed": asyncio.run(_in_a_cloud(items, killed=True)),
    }


def _grows(loops: list[dict[str, Any]]) -> dict[str, float]:
    """The power of its passes with which each look at a loop grows."""
    found: dict[str, float] = {}
    for look in loops[0]["us_per_pass"]:
        each = {row["passes"]: row["us_per_pass"][look]["us"] for row in loops}
        found[look] = exponent({passes: us * passes for passes, us in each.items()})
        told = ", ".join(f"{us:.0f} us of {passes:,}" for passes, us in each.items())
        print(f"a loop's pass, {look}: {told}; by the power {found[look]:.2f} of the passes ({_LINEAR:g} is allowed)")
    return found


def _growth(rows: list[dict[str, Any]], name: str) -> float:
    """How much more an item of a batch costs, at most, than one of any smaller batch, as a share.

    An item of the smallest bears most of what a program costs once: to be no dearer than that would say little.
    """
    costs = [float(row[name]) for row in rows]
    return max((cost / min(costs[:place]) - 1.0 for place, cost in enumerate(costs) if place), default=0.0)


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


async def _in_a_cloud(items: int, *, killed: bool = False) -> float:
    """Requests for each item on a store as weak as a cloud's, until the run has ended.

    Args:
        items: How many there are.
        killed: The worker dies when half of them are done, and another one goes on.
    """
    clock, half = VirtualClock(), asyncio.Event()
    flow = flow_of(items, lambda number: half.set() if number >= items // 2 else None)
    world = InMemoryBackend(clock=clock)
    way = Mortal()
    ways = [way, None] if killed else [None]
    counted, reader = [CountingBackend(world.connect(each)) for each in ways], world.connect()

    def worker(backend: CountingBackend) -> Worker:
        # A reconciler and a heartbeat cost by the hour, and no item more.
        return Worker(backend, FlowRuntime([flow], clock=clock), reconcile=False, heartbeat=None)

    async with world, reader:
        for backend in counted:
            await backend.open()
        client = Client(reader, flows=[flow], clock=clock)
        last = worker(counted[-1])
        if killed:
            dying = asyncio.ensure_future(worker(counted[0]).run())
            await client.start(flow, run_id=RUN)
            await half.wait()
            await way.kill(dying)
        working = asyncio.ensure_future(last.run())
        if not killed:
            await client.start(flow, run_id=RUN)
        ended = await client.wait(RUN, timeout=10 * 86_400, lazy=True)
        last.stop()
        await working
        for backend in counted:
            await backend.close()
        if ended.status != "completed":
            raise RuntimeError(f"the run is {ended.status}: {ended.errors}")
    spent = [count for each in counted for name, count in each.counts().items() if name != "queue.receive.empty"]
    return sum(spent) / items
