"""``latency``: how fast runs are where every call takes its time, beside what the calls and one core allow.

Time is that of a core that does nothing but a worker's work, see ``undisturbed``: the store, and who starts the runs,
are elsewhere. A call takes as long as it is told to, see ``late``.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import undisturbed
from flowcraft_core import FlowBuilder, FlowRuntime
from flowcraft_core.durable import Client, Worker, collect_seldom
from flowcraft_testkit import VirtualClock
from late import Call, LateBackend, critical_path, strong_world
from shapes import awaited_step, batch_of, flow_of

HELP = "how fast runs are where every call to a port takes its time: chains, fans and batches, few and many at once"
SHORT = (("--short",),)

#: How many steps a chain has, and how many there are side by side in a fan or a batch.
STEPS = 20
#: What one core is taken to allow: so much processor time for a step, seconds.
CORE = 50e-6
#: What is to be reached of the smaller of what the calls and one core allow.
SHARE = 0.85

# So many runs in the first place come before it is measured.
_WARM_UP = 1


@attrs.frozen
class Shape:
    """A shape of flows that is measured.

    Attributes:
        name: What it is called.
        flow: The flow.
        width: How many steps are side by side.
        outcomes: How many instances a run has.
        calls: The calls that a run waits for one after the other, by name, from when its first job is there until its
            end stands. They are counted anew each time: others, or more of them, are an error.
    """

    name: str
    flow: FlowBuilder
    width: int
    outcomes: int
    calls: Mapping[str, int]


# Who arrives at a join while others' arrival is under way shares the next request.
_JOIN = {"coordination.add_members": 2, "status.finish": 1}
SHAPES = (
    Shape(
        "chain",
        flow_of("chain", STEPS, awaited_step),
        1,
        STEPS,
        {"queue.receive": 1, "context.get": 2, "context.put": STEPS, "status.finish": 1},
    ),
    Shape(
        "fan",
        flow_of("fan", STEPS + 2, awaited_step),
        STEPS,
        STEPS + 2,
        {"queue.receive": 2, "context.get": 4, "context.put": 3, **_JOIN},
    ),
    Shape(
        "batch",
        batch_of(STEPS),
        STEPS,
        STEPS + 3,
        {"queue.receive": 2, "context.get": 4, "context.put": 4, **_JOIN},
    ),
)


@attrs.frozen
class Measured:
    """What one round has given.

    Attributes:
        rate: Steps per second.
        cpu: The worker's processor time per step, microseconds.
        whole: Likewise of the whole process, with the store in memory and with who starts the runs.
    """

    rate: float
    cpu: float
    whole: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command line may say."""
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="measure so often, take the middle")
    parser.add_argument("--seconds", type=float, default=0.1, metavar="S", help="for so long at least each time")
    parser.add_argument("--delays", default="1,5,20", metavar="MS,...", help="what a call takes, milliseconds")
    parser.add_argument("--in-flight", default="1,10,100,500", metavar="N,...", help="steps at once, of one worker")
    parser.add_argument("--shapes", default="chain,fan,batch", metavar="NAME,...", help="which flows")
    parser.add_argument("--short", action="store_true", help="few of all that, three rounds")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure, print line by line, and give the figures."""
    delays = [float(delay) / 1000 for delay in options.delays.split(",")]
    in_flight = [int(number) for number in options.in_flight.split(",")]
    rounds, seconds = options.rounds, options.seconds
    if options.short:
        delays, in_flight, rounds, seconds = [0.005], [1, 100], 3, 0.2
    shapes = [shape for shape in SHAPES if shape.name in options.shapes.split(",")]
    paths = {shape.name: asyncio.run(path_of(shape)) for shape in shapes}
    as_listed = True
    for shape in shapes:
        counted = Counter(paths[shape.name])
        as_listed = as_listed and counted == shape.calls
        listed = "" if counted == shape.calls else f"; listed are {_told(shape.calls)}"
        print(f"{shape.name:<6} {len(paths[shape.name])} calls one after the other: {_told(counted)}{listed}")
    cells = [(shape, delay, number) for shape in shapes for delay in delays for number in in_flight]
    measured: list[list[Measured]] = [[] for _ in cells]
    collect_seldom()  # as the command's workers do
    for _ in range(rounds):  # all, then all again: what disturbs the machine for a while disturbs none alone
        for found, (shape, delay, number) in zip(measured, cells, strict=True):
            gc.collect()  # what an earlier one has left is not for this one to clear away
            found.append(undisturbed.run(measure(shape, delay, number, seconds)))
    rows = [_row(*cell, found) for cell, found in zip(cells, measured, strict=True)]
    for row in rows:
        low, high = row["cpu_us_per_step_spread"]
        print(
            f"{row['shape']:<6} {row['delay_ms']:>3g} ms {row['in_flight']:>4} in flight {row['steps_per_s']:>8,.0f} "
            f"steps/s, {row['share_of_ideal']:>4.0%} (at best {row['best_share']:>4.0%}) of "
            f"{row['ideal_steps_per_s']:,.0f}; {row['cpu_us_per_step']:.0f} us of the processor per step "
            f"({low:.0f} to {high:.0f}; {row['whole_process_us_per_step']:.0f} with the store)"
        )
    short = [_name(row) for row in rows if row["is_bound"] and row["share_of_ideal"] < SHARE]
    if short:
        print(f"short of {SHARE:.0%} of what the calls and one core allow: {'; '.join(short)}")
    return {
        "ok": as_listed and not short,
        "short_of_bound": short,
        "rounds": rounds,
        "rows": rows,
        "calls": paths,
        "core_us_per_step": CORE * 1e6,
        "bound_share": SHARE,
    }


def _told(calls: Mapping[str, int]) -> str:
    return ", ".join(f"{count} x {name}" if count > 1 else name for name, count in calls.items())


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['shape']}, {row['delay_ms']:g} ms, {row['in_flight']} in flight"


def _row(shape: Shape, delay: float, number: int, rounds: Sequence[Measured]) -> dict[str, Any]:
    rates, cpus = [each.rate for each in rounds], [each.cpu for each in rounds]
    by_calls = _runs(shape, number) * shape.outcomes / (sum(shape.calls.values()) * delay)
    ideal = min(by_calls, 1 / CORE)
    return {
        "shape": shape.name,
        "delay_ms": delay * 1000,
        "in_flight": number,
        "runs": _runs(shape, number),
        "steps_per_s": statistics.median(rates),
        "steps_per_s_spread": [min(rates), max(rates)],
        "cpu_us_per_step": statistics.median(cpus),
        "cpu_us_per_step_spread": [min(cpus), max(cpus)],
        "whole_process_us_per_step": statistics.median(each.whole for each in rounds),
        "ideal_steps_per_s": ideal,
        "share_of_ideal": statistics.median(rates) / ideal,
        "best_share": max(rates) / ideal,
        # Where fewer are at work than stand side by side, a run waits for more calls than are listed.
        "is_bound": number >= shape.width,
    }


def _runs(shape: Shape, number: int) -> int:
    return max(1, number // shape.width)


async def path_of(shape: Shape) -> list[str]:
    """The calls that one run waits for, found where nothing but calls takes time."""
    clock = VirtualClock()
    late = LateBackend(strong_world(clock), 0.01, clock)
    ended = asyncio.Event()
    late.ended = lambda run_id: ended.set()
    await late.open()
    runtime = FlowRuntime([shape.flow], clock=clock)
    worker = Worker(late, runtime, concurrency=2 * STEPS, reconcile=False, heartbeat=None, told_after=None)
    working = asyncio.ensure_future(worker.run())
    client = Client(late, flows=[shape.flow], clock=clock)
    calls: list[Call] = []
    late.calls = calls
    for _ in range(2):  # the first stores the blueprint, which is done once
        await clock.sleep(1.0)
        calls.clear()
        await client.start(shape.flow)
        await ended.wait()
        ended.clear()
    path = critical_path(calls, "status.finish")
    worker.stop()
    await working
    await late.close()
    return path


async def measure(shape: Shape, delay: float, number: int, seconds: float) -> Measured:
    """How fast runs are of which as many are under way as make so many steps at once, each followed by another.

    It is measured from one end of the runs that follow one another in the first place to another such end.

    Args:
        shape: Their flow.
        delay: Seconds that each call takes.
        number: So many steps at once; the worker's concurrency, too.
        seconds: For so long at least.
    """
    clock = undisturbed.LoopClock()
    late = LateBackend(strong_world(clock), delay, there=undisturbed.elsewhere)
    ends: dict[str, asyncio.Event] = {}
    late.ended = lambda run_id: ends[run_id].set()
    await late.open()
    runtime = FlowRuntime([shape.flow], clock=clock)
    worker = Worker(late, runtime, concurrency=number, reconcile=False, poll=0.5, blocked_after=None)
    working = asyncio.ensure_future(worker.run())
    client = Client(late, flows=[shape.flow], clock=clock)
    is_over, looks = False, list[tuple[float, int, float, float]]()

    async def keep_running(place: int) -> None:
        nonlocal is_over
        count = 0
        while not is_over:
            run_id = f"{place}-{count}"
            ends[run_id] = asyncio.Event()
            await undisturbed.elsewhere(client.start(shape.flow, run_id=run_id))
            await ends[run_id].wait()
            del ends[run_id]
            count += 1
            if place == 0:
                looks.append((clock.now(), late.counts["context.put"], clock.used(), undisturbed.used()))
                is_over = len(looks) > _WARM_UP and looks[-1][0] - looks[_WARM_UP - 1][0] >= seconds

    await asyncio.gather(*(keep_running(place) for place in range(_runs(shape, number))))
    worker.stop()
    await working
    await late.close()
    seconds, steps, here, whole = (after - before for before, after in zip(looks[_WARM_UP - 1], looks[-1], strict=True))
    return Measured(steps / seconds, here * 1e6 / steps, whole * 1e6 / steps)
