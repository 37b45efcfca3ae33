"""``inprocess``: how many nodes a second one process runs, and whether that stays so as the graph grows."""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from by_hand import ByHand
from flowcraft_core import FlowRuntime, Step
from growth import exponent
from shapes import SHAPES, awaited_step, flow_of, plain_step

HELP = "nodes per second in one process, on chains and fans of growing size"
SHORT = (("--nodes", "1000,2000,4000,8000", "--repeat", "2"), ("--peers", "--rounds", "2", "--nodes", "10,100"))

#: Of the graphs.
SIZES = (1_000, 2_000, 4_000, 8_000, 100_000)
# An exponent below this counts as linear.
_LINEAR = 1.1
# Steps in threads cost many times as much, and are measured for information: they need no large graphs.
_MOST_IN_THREADS = 4_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command line may say."""
    parser.add_argument("--nodes", type=_sizes, metavar="N,N", help="sizes of the graphs; two at least")
    parser.add_argument("--repeat", type=_count, default=5, metavar="N", help="measure so often, take the middle")
    parser.add_argument("--peers", action="store_true", help="measure other engines, beside built and decorated flows")
    parser.add_argument("--rounds", type=_count, default=5, metavar="N", help="with --peers: so often, take the middle")
    parser.add_argument("--compare", action="store_true", help="measure a program written by hand beside each graph")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure, print line by line, and give the figures."""
    if options.peers:
        import inprocess_peers  # noqa: PLC0415 - the helpers of the integration tests need not be there for the rest

        return inprocess_peers.run(options.rounds, options.nodes or inprocess_peers.SIZES)
    options.nodes = options.nodes or SIZES
    rows: list[dict[str, Any]] = []
    in_threads: list[dict[str, Any]] = []
    exponents: dict[str, float] = {}
    for shape in SHAPES:
        costs: dict[int, float] = {}
        for nodes in options.nodes:
            # Each size runs about as many nodes in all: what disturbs the machine then disturbs each size alike.
            runs = max(options.nodes) // nodes
            row, costs[nodes] = _measure(shape, nodes, awaited_step, runs, options.repeat)
            rows.append(row)
            _print(row, f"compiled in {row['compile_s']:.3f} s")
            if options.compare:
                row["by_hand"] = _by_hand(shape, nodes, runs, options.repeat)
                for way, rate in row["by_hand"].items():
                    ratio = row["nodes_per_s"] / rate
                    _print(row | {"nodes_per_s": rate}, f"by hand, {way}: ours is {ratio:.2f} of it")
        exponents[shape] = exponent(costs)
        print(f"{shape:<5} takes time by the power {exponents[shape]:.3f} of its nodes (linear: below {_LINEAR})")
    for shape in SHAPES:
        for nodes in (size for size in options.nodes if size <= _MOST_IN_THREADS):
            row, _ = _measure(shape, nodes, plain_step, 1, options.repeat)
            in_threads.append(row)
            _print(row, "plain def steps, in threads")
    ok = all(value < _LINEAR for value in exponents.values())
    return {"ok": ok, "rows": rows, "exponent": exponents, "in_threads": in_threads}


def _measure(shape: str, nodes: int, step: Step, runs: int, repeat: int) -> tuple[dict[str, Any], float]:
    """A row of figures, and the processor's seconds, by which growth is told."""
    flow = flow_of(shape, nodes, step)
    began = time.perf_counter()
    flow.compile()
    compile_s = time.perf_counter() - began
    runtime = FlowRuntime([flow])

    async def once() -> None:
        result = await runtime.run(flow)
        if (result.status, result.steps) != ("completed", nodes):
            raise RuntimeError(f"{shape} of {nodes} nodes: {result}: {result.errors}")

    took = _middle(once, runs, repeat)
    return {"shape": shape, "nodes": nodes, "nodes_per_s": nodes / took.elapsed, "compile_s": compile_s}, took.processor


def _by_hand(shape: str, nodes: int, runs: int, repeat: int) -> dict[str, float]:
    edges = SHAPES[shape](nodes)

    async def inline() -> None:
        await ByHand(nodes, edges).run_inline()

    async def in_tasks() -> None:
        await ByHand(nodes, edges).run_in_tasks()

    return {
        "inline": nodes / _middle(inline, runs, repeat).elapsed,
        "in tasks": nodes / _middle(in_tasks, runs, repeat).elapsed,
    }


class _Seconds(NamedTuple):
    """What something took.

    Attributes:
        elapsed: By the clock.
        processor: Of the processor, which other programs on the machine disturb less.
    """

    elapsed: float
    processor: float


def _middle(once: Callable[[], Awaitable[None]], runs: int, repeat: int) -> _Seconds:
    """What one run takes, of so many in a row: the middle of the tries."""

    async def timed() -> _Seconds:
        elapsed, processor = time.perf_counter(), time.process_time()
        for _ in range(runs):
            await once()
        return _Seconds((time.perf_counter() - elapsed) / runs, (time.process_time() - processor) / runs)

    tries: list[_Seconds] = []
    for _ in range(repeat):
        gc.collect()  # what the one before left behind is not this one's to clear away
        tries.append(asyncio.run(timed()))
    return _Seconds(*(statistics.median(each) for each in zip(*tries, strict=True)))


def _print(row: dict[str, Any], note: str) -> None:
    print(f"{row['shape']:<5} {row['nodes']:>8,} nodes {row['nodes_per_s']:>11,.0f} nodes/s   {note}", flush=True)


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(sorted({int(size) for size in text.split(",")}))
    if len(sizes) < 2 or sizes[0] < 3:
        raise argparse.ArgumentTypeError("give at least two sizes, of three nodes or more")
    return sizes


def _count(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError("measure at least once")
    return int(text)
