"""``holding``: what it costs to hold jobs hidden, and how long a killed worker's job stays so, by the visibility.

On a queue that knows only visibility (SQS, Queue Storage) nobody sees that a worker has died: its messages come back
when the time is over for which they were hidden last. A worker that lives renews that every third of it, and says at
the same time, in a hint for each step and one for each run, that they are under way. So half the visibility costs twice
the requests, for steps that are longer than a third of it; a shorter step costs nothing.

It is counted, with a worker whose steps take ten minutes, in memory and in no time; and a worker is killed at moments
that lie evenly between two renewals, beside another one.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from typing import Any

import aws_pricing
import azure_units
from deaths import Mortal
from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_core.settings import VISIBILITY
from flowcraft_testkit import VirtualClock
from flowcraft_testkit.counting import CountingBackend
from flowcraft_testkit.memory import InMemoryBackend

HELP = "requests for holding jobs, and how soon a killed worker's job goes on, by the visibility; counted in memory"
SHORT = (("--kills", "2"),)

_VISIBILITIES = (10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 120.0)
_STEP, _STEPS = 600.0, 16
_HOUR = 3_600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command line may say."""
    parser.add_argument("--kills", type=int, default=6, metavar="N", help="for each visibility, kill so many workers")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Count, print line by line, and give the figures."""
    rows = [_row(visibility, options.kills) for visibility in _VISIBILITIES]
    for row in rows:
        print(
            f"{row['visibility']:>5g} s: {row['extends_per_step_hour']:>6.1f} renewals and"
            f" {row['hints_per_step_hour']:>6.1f} hints for a step per hour,"
            f" {row['usd_per_worker_hour']['aws']:.4f} USD"
            f" for a full worker per hour on AWS and {row['usd_per_worker_hour']['azure']:.4f} on Azure (estimate);"
            f" a killed worker's job goes on after {row['goes_on_after_s']:.1f} s"
            f" ({row['goes_on_after_s_spread'][0]:.1f} to {row['goes_on_after_s_spread'][1]:.1f})"
        )
    print(f"the default is {VISIBILITY:g} s")
    ok = all(_is_hidden_until_then(row) for row in rows)
    return {"ok": ok, "default": VISIBILITY, "step_s": _STEP, "steps_at_once": _STEPS, "rows": rows}


def _is_hidden_until_then(row: dict[str, Any]) -> bool:
    """Whether a dead worker's job has gone on when it was hidden no more: it was renewed within the last third."""
    soonest, latest = row["goes_on_after_s_spread"]
    return bool(row["visibility"] * 2 / 3 - 1.0 <= soonest and latest <= row["visibility"] + 1.0)


def _row(visibility: float, kills: int) -> dict[str, Any]:
    spent = asyncio.run(_hold(visibility))
    waits = [asyncio.run(_kill(visibility, (number + 0.5) / kills)) for number in range(kills)]
    hours = _STEP * _STEPS / _HOUR
    extends = spent.get("queue.extend", 0)
    hints = sum(number for name, number in spent.items() if name.startswith(("coordination.", "status.touch")))
    worker_hours = _STEP / _HOUR
    # On SQS a request renews ten messages, as here; on Queue Storage one, and Redis is billed by the hour.
    touches = spent.get("status.touch", 0)
    aws = extends * aws_pricing.USD_PER_SQS_REQUEST + hints * aws_pricing.USD_PER_WRITE_UNIT
    azure = extends * _STEPS / 2 * azure_units.USD_PER_QUEUE_OPERATION
    azure += touches * 2 * azure_units.write_units(500) * azure_units.USD_PER_REQUEST_UNIT
    return {
        "visibility": visibility,
        "extends_per_step_hour": extends / hours,
        "hints_per_step_hour": hints / hours,
        "by_operation": spent,
        "usd_per_worker_hour": {"aws": aws / worker_hours, "azure": azure / worker_hours},
        "goes_on_after_s": statistics.mean(waits),
        "goes_on_after_s_spread": [min(waits), max(waits)],
    }


def _flow(clock: VirtualClock, began: list[float]) -> FlowBuilder:
    async def step(ctx: NodeContext[Any, Any]) -> None:
        began.append(clock.now())
        await clock.sleep(_STEP)

    return create_flow("holding").node("step", step)


async def _hold(visibility: float) -> dict[str, int]:
    """The requests of a worker while its steps are under way, a run each."""
    clock = VirtualClock()
    world, began = InMemoryBackend(clock=clock), list[float]()
    counted, reader = CountingBackend(world.connect()), world.connect()
    flow = _flow(clock, began)
    async with world, reader:
        await counted.open()
        client = Client(reader, flows=[flow], clock=clock)
        runs = [await client.start(flow) for _ in range(_STEPS)]
        worker = Worker(
            counted,
            FlowRuntime([flow], clock=clock),
            concurrency=_STEPS,
            visibility=visibility,
            reconcile=False,
            heartbeat=None,
            told_after=None,
        )
        working = asyncio.ensure_future(worker.run())
        while len(began) < _STEPS:
            await clock.sleep(0.1)
        before = dict(counted.counts())
        await clock.sleep(_STEP - 5.0)
        after = dict(counted.counts())
        for run in runs:
            await client.wait(run, timeout=_STEP)
        worker.stop()
        await working
        await counted.close()
    return {name: number - before.get(name, 0) for name, number in after.items() if number > before.get(name, 0)}


async def _kill(visibility: float, moment: float) -> float:
    """Seconds from a worker's end until another one begins its step; it ends at a part of the time between renewals."""
    clock = VirtualClock()
    world, began = InMemoryBackend(clock=clock), list[float]()
    way = Mortal()
    first, second, reader = world.connect(way), world.connect(), world.connect()
    flow = _flow(clock, began)
    fixed: dict[str, Any] = {"visibility": visibility, "reconcile": False, "heartbeat": None}
    async with world, first, second, reader:
        client = Client(reader, flows=[flow], clock=clock)
        started = await client.start(flow)
        dying = asyncio.ensure_future(Worker(first, FlowRuntime([flow], clock=clock), **fixed).run())
        while not began:
            await clock.sleep(0.1)
        await clock.sleep(visibility / 3 * (3 + moment))
        killed = clock.now()
        await way.kill(dying)
        other = Worker(second, FlowRuntime([flow], clock=clock), **fixed)
        working = asyncio.ensure_future(other.run())
        while len(began) < 2:
            await clock.sleep(0.1)
        await client.wait(started, timeout=2 * _STEP)
        other.stop()
        await working
    return began[1] - killed
