"""A worker whose memory is watched, as a process: ``python memory_program.py <case> <backend> <runs> <memory>``.

It does one run after the other, each of which makes something large, hands it on, and waits, so that it has not ended.
At last it says, in a line of JSON, what it took of the machine's memory once it had done two of them, and at most.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
from flowcraft_core import Event, FlowBuilder, FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_core.events import NodeSuspended
from flowcraft_core.ports import Backend
from flowcraft_sqlite import SqliteBackend
from flowcraft_testkit import Weaknesses
from flowcraft_testkit.memory import InMemoryBackend
from peaks import peak_mib

# Reads that lag would only have each run wait.
STRONG = Weaknesses.none()


def text_of(number: int, length: int) -> str:
    """A text that no other run has, and that takes little in a store."""
    return f"{number:08x}" * (length // 8)


async def _text(ctx: NodeContext[Any, Any]) -> str:
    return text_of(await ctx.context.get("number"), 4_800_000)


async def _rows(ctx: NodeContext[Any, Any]) -> list[dict[str, Any]]:
    first = 1_000 * await ctx.context.get("number")
    return [{"id": first + at, "name": f"user {at}", "ok": True, "tags": ["a", "b"]} for at in range(500)]


async def _take(ctx: NodeContext[Any, Any]) -> int:
    return len(ctx.input or ())


STEPS = {"text": _text, "rows": _rows, "take": _take}


def flow_of(make: str, nodes: int = 1, flow_id: str = "kept") -> FlowBuilder:
    """A flow that makes something, hands it on along some nodes, and waits."""
    flow = create_flow(flow_id).node("begin", make)
    for at in range(nodes):
        flow.node(f"take {at}", "take", params={"why": f"{flow_id} {at}"})
        flow.edge(f"take {at - 1}" if at else "begin", f"take {at}")
    return flow.wait("wait").edge(f"take {nodes - 1}", "wait")


@attrs.frozen
class Case:
    """What the runs are.

    Attributes:
        runs: How many.
        flow: The flow of each, by its number.
        context: The length of a text that each is started with, characters.
        under_way: What one of them takes while it is worked on, MiB at most: a value, its text, what is stored of it.
        backends: Where the runs are. Of a store in the process the contents count: many of them would be no measure.
    """

    runs: int
    flow: Callable[[int], FlowBuilder]
    context: int = 0
    under_way: float = 8.0
    backends: Sequence[str] = ("sqlite", "memory")


CASES = {
    "texts": Case(250, lambda number: flow_of("text"), under_way=64.0),
    "rows": Case(2_000, lambda number: flow_of("rows")),
    "contexts": Case(1_000, lambda number: flow_of("take"), context=1_000_000),
    "blueprints": Case(2_000, lambda number: flow_of("take", 40, f"flow {number}"), backends=("sqlite",)),
}


@asynccontextmanager
async def opened(backend: str) -> AsyncIterator[Backend]:
    """A backend of a kind, with nothing in it."""
    with tempfile.TemporaryDirectory() as folder:
        chosen: InMemoryBackend | SqliteBackend = InMemoryBackend(weaknesses=STRONG)
        if backend == "sqlite":
            chosen = SqliteBackend(Path(folder) / "runs.db", synchronous="normal")
        async with chosen:
            yield chosen


async def main(name: str, kind: str, runs: str, memory: str) -> None:
    """Work on the runs of a case."""
    case, waits = CASES[name], asyncio.Semaphore(0)

    def hear(event: Event) -> None:
        if isinstance(event, NodeSuspended):
            waits.release()

    async with opened(kind) as backend:
        worker = Worker(backend, FlowRuntime(registry=STEPS, events=hear), memory=memory, reconcile=False)
        working = asyncio.ensure_future(worker.run())
        base = 0.0
        began, worked = time.perf_counter(), time.process_time()
        for number in range(int(runs)):
            if number == 2:
                base = peak_mib()
            context = {"number": number, "text": text_of(number, case.context)}
            # A client keeps the flows that it was given, and is none of the worker's.
            await Client(backend).start(case.flow(number), context)
            await asyncio.wait_for(waits.acquire(), 600.0)
        seconds, cpu = time.perf_counter() - began, time.process_time() - worked
        worker.stop()
        await working
    print(json.dumps({"base_mib": base, "peak_mib": peak_mib(), "seconds": seconds, "cpu_seconds": cpu}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
