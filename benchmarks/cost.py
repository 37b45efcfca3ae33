"""``cost``: how many requests a run makes of its backend, node by node, counted and not timed."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import itertools
from collections.abc import Sequence
from typing import Any

import cost_page
from floors import MEMORY, floor_text, with_floor
from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_core.errors import TransientError
from flowcraft_core.ports import Message
from flowcraft_testkit import VirtualClock
from flowcraft_testkit.counting import CountingBackend, CountingJobQueue
from flowcraft_testkit.memory import InMemoryBackend, Weaknesses
from shapes import (
    MOST_PER_UNDO,
    UNDONE,
    awaited_step,
    batch_of,
    diamonds,
    flow_of,
    flow_with,
    per_undo,
    require_end,
    undo_chain,
)
from waits import waits

HELP = "requests per node that a run makes of its backend, by operation"
SHORT = (("--backend", "memory"), ("--backend", "aws"), ("--backend", "azure"))

#: How many items a batch has here.
BATCH = 1_000

# What the design allows, requests per node.
# A wait that was answered early takes the write of its suspension, which finds the answer, and nothing else.
_MOST = {("chain", 20): 1.5, ("fan", 52): 2.0, ("answered early", 20): 2.0, ("batch, 20 lanes", BATCH + 1): 1.1}
# How far above its floor a row may be; see ``floors``.
_MOST_OVER_FLOOR = {"chain": 1.05, "fan": 1.3, "batch": 1.9, "batch, 20 lanes": 1.05, "answered early": 1.05}
_BIG = "x" * 4_000
# How far the bytes per node of a long chain may be from those of a shorter one.
_FLAT = 0.05
_MOST_MESSAGES = 3.0
_DIAMONDS = 12


async def big_step(ctx: NodeContext) -> str:
    """A step with an output of 4 KB."""
    return _BIG


class Counted(CountingBackend):
    """A counting backend that counts the messages sent, and the calls that have to be made again, too."""

    def __init__(self, world: InMemoryBackend) -> None:
        """Count from zero."""
        super().__init__(world)
        self.messages = self.retries = 0
        send = self.queue.send

        async def counted(messages: Sequence[Message], *, delay: float = 0.0) -> None:
            self.messages += len(messages)
            try:
                await send(messages, delay=delay)
            except TransientError:
                self.retries += 1
                raise

        queue = self.queue
        assert isinstance(queue, CountingJobQueue)
        queue.send = counted  # type: ignore[method-assign]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command line may say."""
    parser.add_argument("--backend", choices=["memory", "aws", "azure"], default="memory", help="where the runs live")
    parser.add_argument(
        "--dollars",
        action="store_true",
        help="count small shapes on the emulators of AWS and Azure, beside list prices",
    )
    parser.add_argument("--write", action="store_true", help="likewise, and write docs/costs.md")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Count, print line by line, and give the figures."""
    if options.dollars or options.write:
        priced: dict[str, Any] = importlib.import_module("dollars").run()
        if options.write:
            cost_page.write(priced)
        return priced
    if options.backend != "memory":
        # Needs that backend's distribution, and its emulators.
        figures: dict[str, Any] = importlib.import_module(f"{options.backend}_cost").run()
        return figures
    rows = [_row("chain", 20, flow_of("chain", 20, awaited_step)), _row("fan", 52, flow_of("fan", 52, awaited_step))]
    rows += [_row("batch", BATCH + 1, batch_of(BATCH)), _row("batch, 20 lanes", BATCH + 1, batch_of(BATCH, 20))]
    rows.append(_row("answered early", 20, _asking(20), early=range(1, 20, 2)))
    big = [_row("chain of 4 KB", nodes, flow_of("chain", nodes, big_step)) for nodes in (10, 100, 1_000)]
    nodes = 3 * _DIAMONDS + 1
    row_of_diamonds = flow_with(diamonds(nodes), nodes, awaited_step, "diamonds")
    clean = _row("diamonds", nodes, row_of_diamonds)
    doubled = _row("diamonds, doubled", nodes, row_of_diamonds, Weaknesses(duplicates=1.0))
    caught = _row("chain, caught", 20, _caught(20))
    undo = _row("undo chain", UNDONE, undo_chain(UNDONE))
    failing = _row("failing chain", UNDONE, undo_chain(UNDONE, undone=False))
    rows += [*big, clean, doubled, caught, undo, failing]
    rows = [with_floor(row, MEMORY) for row in rows]
    for row in rows:
        print(
            f"{row['shape']:<18} {row['nodes']:>5} nodes {row['requests_per_node']:>6.2f} requests "
            f"{row['bytes_written_per_node']:>8.0f} bytes per node, {row['messages']:>4} messages"
        )
    for row in rows:
        print(floor_text(row))
    waiting = [asyncio.run(_waits(number)) for number in (1, 3, 20, 100)]
    growth = doubled["messages"] / clean["messages"]
    # A long chain may cost less per node than a short one, whose start and end weigh more, and never more.
    flat = all(
        longer["requests_per_node"] <= shorter["requests_per_node"]
        and longer["bytes_written_per_node"] <= shorter["bytes_written_per_node"] * (1 + _FLAT)
        for shorter, longer in itertools.pairwise(big)
    )
    # An edge on failure that is not taken costs nothing.
    free = caught["requests_per_node"] == rows[0]["requests_per_node"]
    within = all(
        row["requests_per_node"] <= _MOST.get((row["shape"], row["nodes"]), float("inf"))
        and row["over_floor"] <= _MOST_OVER_FLOOR.get(row["shape"], float("inf"))
        for row in rows
    )
    of_undo = per_undo(undo, failing)
    print(f"an undo: {of_undo:.2f} requests beside those of its step (at most {MOST_PER_UNDO:g})")
    print(f"every message doubled: {growth:.2f} times the messages of the clean run (at most {_MOST_MESSAGES:g})")
    return {
        "ok": flat
        and free
        and within
        and of_undo <= MOST_PER_UNDO
        and growth <= _MOST_MESSAGES
        and all(row["ok"] for row in waiting),
        "backend": options.backend,
        "rows": rows,
        "waiting": waiting,
        "flat": flat,
        "edges_on_failure_are_free": free,
        "messages_when_doubled": growth,
        "requests_per_undo": of_undo,
    }


async def _waits(number: int) -> dict[str, Any]:
    clock = VirtualClock()
    world = InMemoryBackend(clock=clock)
    counted, other = Counted(world.connect()), world.connect()

    def counts() -> dict[str, int]:
        return {name: each for name, each in counted.counts().items() if name != "queue.receive.empty"}

    async with world, other:
        await counted.open()
        row = await waits(counted, other, counts, waiting=number, seconds=600.0, clock=clock)
        await counted.close()
    return row


def _caught(nodes: int) -> FlowBuilder:
    """A chain in which each node has an edge on failure to a node of its own, and one to a node of all."""
    flow = flow_of("chain", nodes, awaited_step).node("all", awaited_step)
    for node in range(nodes):
        flow.node(f"own {node}", awaited_step).edge(str(node), f"own {node}", on="failure")
        flow.edge(str(node), "all", on="failure")
    return flow


def _asking(nodes: int) -> FlowBuilder:
    """A chain of which every other node is a wait."""
    flow = create_flow("asking")
    for number in range(nodes):
        flow = flow.wait(f"n{number}") if number % 2 else flow.node(f"n{number}", awaited_step)
    for number in range(1, nodes):
        flow.edge(f"n{number - 1}", f"n{number}")
    return flow


def _row(
    shape: str,
    nodes: int,
    flow: FlowBuilder,
    weaknesses: Weaknesses | None = None,
    *,
    early: Sequence[int] = (),
) -> dict[str, Any]:
    return asyncio.run(_count(shape, nodes, flow, weaknesses, early))


async def _count(
    shape: str, nodes: int, flow: FlowBuilder, weaknesses: Weaknesses | None, early: Sequence[int]
) -> dict[str, Any]:
    clock = VirtualClock()
    world = InMemoryBackend(clock=clock, weaknesses=weaknesses)
    counted, reader = Counted(world.connect()), world.connect()
    async with world, reader:
        await counted.open()
        runtime = FlowRuntime([flow], clock=clock)
        # A reconciler, a heartbeat, and looks whether a run was cancelled cost by the hour, and no step more: they have
        # no part in what a run costs, which would depend on how busy the machine is.
        worker = Worker(counted, runtime, reconcile=False, heartbeat=None, control_interval=3_600.0)
        started = await Client(counted, flows=[flow], clock=clock).start(flow)
        for number in early:  # what it takes to answer is for whoever does, and is not counted
            await Client(reader, flows=[flow], clock=clock).resume(started.run_id, f"n{number}", output=1, early=True)
        working = asyncio.ensure_future(worker.run())
        # Waiting for the result is not the run's cost either: another client does it.
        result = await Client(reader, flows=[flow], clock=clock).wait(started.run_id, timeout=3600)
        worker.stop()
        await working
        await counted.close()
    require_end(shape, nodes, result)
    counts = dict(counted.counts())
    empty = counts.pop("queue.receive.empty", 0)
    return {
        "shape": shape,
        "nodes": nodes,
        "requests_per_node": sum(counts.values()) / nodes,
        "by_operation": counts,
        "bytes_written_per_node": sum(counted.bytes_written().values()) / nodes,
        "messages": counted.messages,
        "empty_receives": empty,
        "retries": counted.retries,
    }
