"""``latency``: how fast runs are where every call takes its time, beside what the calls and one core allow."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections import Counter
from typing import Any

import attrs
import undisturbed
from flowcraft_core import FlowBuilder, FlowRuntime
from flowcraft_core.durable import Client, Worker
from flowcraft_testkit import VirtualClock
from late import LateBackend, critical_path, strong_world
from shapes import awaited_step, batch_of, flow_of

HELP = "how fast runs are where every call to a port takes its time: chains, fans and batches, few and many at once"

SHORT = (("--short",),)

#: How many steps a chain has, and how many there are side by side in a fan or a batch.
STEPS = 20
#: What one core is taken to allow: so much processor time for a step, seconds.
CORE = 50e-6
#: Where a run of a chain is to be, of the smaller of what its calls and one core allow.
SHARE = 0.85

# The calls that a run waits for one after the other, from when its first job was sent until its end stands. They are
# counted anew each time, and more of them, or others, are an error.
_PUTS = {"context.put": STEPS}
EXPECTED: dict[str, dict[str, int]] = {
    "chain": {"queue.receive": 1, "context.get": 2, **_PUTS, "status.finish": 1},
}


@attrs.frozen
class Shape:
    """A shape of flows that is measured.

    Attributes:
        name: What it is called.
        flow: The flow.
        width: How many steps are side by side.
    """

    name: str
    flow: FlowBuilder
    width: int


SHAPES = [
    Shape("chain", flow_of("chain", STEPS, awaited_step), 1),
    Shape("fan", flow_of("fan", STEPS + 2, awaited_step), STEPS),
    Shape("batch", batch_of(STEPS), STEPS),
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command line may say."""
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="measure so often, take the middle")
    parser.add_argument("--seconds", type=float, default=1.0, metavar="S", help="for so long each time")
    parser.add_argument("--delays", default="1,5,20", metavar="MS,...", help="what a call takes, milliseconds")
    parser.add_argument("--in-flight", default="1,10,100,500", metavar="N,...", help="steps at once")
    parser.add_argument("--shapes", default="chain,fan,batch", metavar="NAME,...", help="which flows")
    parser.add_argument("--short", action="store_true", help="few of all that, one round each")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure, print line by line, and give the figures."""
    delays = [float(delay) / 1000 for delay in options.delays.split(",")]
    in_flight = [int(number) for number in options.in_flight.split(",")]
    rounds, seconds = options.rounds, options.seconds
    shapes = [shape for shape in SHAPES if shape.name in options.shapes.split(",")]
    if options.short:
        delays, in_flight, rounds, seconds = [0.005], [1, 100], 1, 0.5
    paths = {shape.name: asyncio.run(_path(shape)) for shape in shapes}
    for name, path in paths.items():
        print(f"{name:<6} {len(path)} calls one after the other: {_told(path)}")
    cells = [(shape, delay, number) for shape in shapes for delay in delays for number in in_flight]
    measured: dict[int, list[Measured]] = {number: [] for number in range(len(cells))}
    for _ in range(rounds):  # one after the other, so that what disturbs the machine disturbs no cell alone
        for place, (shape, delay, number) in enumerate(cells):
            measured[place].append(undisturbed.run(_measure(shape, delay, number, seconds)))
    rows = []
    for place, (shape, delay, number) in enumerate(cells):
        row = _row(shape, delay, number, len(paths[shape.name]), measured[place])
        rows.append(row)
        print(
            f"{row['shape']:<6} {row['delay_ms']:>4g} ms {row['in_flight']:>4} in flight {row['steps_per_s']:>8,.0f} steps/s "
            f"{row['share_of_ideal']:>5.0%} of {row['ideal_steps_per_s']:>7,.0f} {row['cpu_us_per_step']:>5.0f} us per step "
            f"({min(each.cpu * 1e6 for each in measured[place]):.0f} to {max(each.cpu * 1e6 for each in measured[place]):.0f})"
        )
    return {"ok": True, "rows": rows, "calls": paths}


@attrs.frozen
class Measured:
    """What one round has given.

    Attributes:
        rate: Steps per second.
        cpu: Processor time per step, of the whole process, seconds.
    """

    rate: float
    cpu: float


def _row(shape: Shape, delay: float, number: int, calls: int, rounds: list[Measured]) -> dict[str, Any]:
    rates, cpus = [each.rate for each in rounds], [each.cpu * 1e6 for each in rounds]
    ideal = min(_runs(shape, number) * _outcomes(shape) / (calls * delay), 1 / CORE)
    return {
        "shape": shape.name,
        "delay_ms": delay * 1000,
        "in_flight": number,
        "runs": _runs(shape, number),
        "steps_per_s": statistics.median(rates),
        "steps_per_s_spread": [min(rates), max(rates)],
        "cpu_us_per_step": statistics.median(cpus),
        "cpu_us_per_step_spread": [min(cpus), max(cpus)],
        "ideal_steps_per_s": ideal,
        "share_of_ideal": statistics.median(rates) / ideal,
    }


def _runs(shape: Shape, number: int) -> int:
    return max(1, number // shape.width)


def _outcomes(shape: Shape) -> int:
    return {"chain": STEPS, "fan": STEPS + 2, "batch": STEPS + 3}[shape.name]


def _told(path: list[str]) -> str:
    return ", ".join(f"{count} x {name}" if count > 1 else name for name, count in Counter(path).items())


async def _path(shape: Shape) -> list[str]:
    """The calls that one run waits for, found where nothing but calls takes time."""
    clock = VirtualClock()
    late = LateBackend(strong_world(clock), 0.01, clock)
    ended = asyncio.Event()
    late.ended = lambda run_id: ended.set()
    await late.open()
    worker = Worker(
        late,
        FlowRuntime([shape.flow], clock=clock),
        concurrency=2 * STEPS,
        reconcile=False,
        heartbeat=None,
        told_after=None,
    )
    working = asyncio.ensure_future(worker.run())
    await clock.sleep(0.5)
    client = Client(late, flows=[shape.flow], clock=clock)
    for _ in range(2):  # the first stores the blueprint, which is done once
        late.calls = []
        await client.start(shape.flow)
        await ended.wait()
        ended.clear()
        await clock.sleep(1.0)
    path = critical_path(late.calls[: [call.name for call in late.calls].index("status.finish") + 1])
    worker.stop()
    await working
    await late.close()
    return path


async def _measure(shape: Shape, delay: float, number: int, seconds: float) -> Measured:
    clock = undisturbed.LoopClock()
    late = LateBackend(strong_world(clock), delay)
    ends: dict[str, asyncio.Future[None]] = {}
    await late.open()
    worker = Worker(
        late, FlowRuntime([shape.flow], clock=clock), concurrency=number, reconcile=False, poll=0.5, blocked_after=None
    )
    working = asyncio.ensure_future(worker.run())
    client = Client(late, flows=[shape.flow], clock=clock)
    late.ended = lambda run_id: ends[run_id].set_result(None)
    over = False

    async def keep_running(place: int) -> None:
        count = 0
        while not over:
            run_id = f"{place}-{count}"
            ends[run_id] = asyncio.get_running_loop().create_future()
            await client.start(shape.flow, run_id=run_id)
            await ends[run_id]
            del ends[run_id]
            count += 1

    runs = [asyncio.ensure_future(keep_running(place)) for place in range(_runs(shape, number))]
    await asyncio.sleep(max(0.3, 40 * delay))  # until every run is somewhere else
    began, steps, used = clock.now(), late.counts["context.put"], time.process_time()
    await asyncio.sleep(seconds)
    took, steps, used = clock.now() - began, late.counts["context.put"] - steps, time.process_time() - used
    over = True
    await asyncio.gather(*runs)
    worker.stop()
    await working
    await late.close()
    return Measured(steps / took, used / steps)
