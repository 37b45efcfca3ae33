"""How many statements runs take, and how many commits they wait for: what is fast is counted, and not timed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from flowcraft_core import FlowBuilder, FlowRuntime, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_postgres import PostgresBackend
from postgres_places import Place


async def add(ctx: Any) -> int:
    """One more than comes in."""
    return (ctx.input or 0) + 1


def chain(length: int) -> FlowBuilder:
    flow = create_flow(f"chain of {length}").node("n0", add)
    for number in range(1, length):
        flow.node(f"n{number}", add).edge(f"n{number - 1}", f"n{number}")
    return flow


class Counting:
    """Counts the statements of a backend by what waits for them: the disk, or the server alone."""

    def __init__(self, backend: PostgresBackend) -> None:
        self.counted: Counter[str] = Counter()
        wires: Any = backend._database._wires
        self._run, wires.run = wires.run, self._count

    def _count(self, bound: Any) -> Any:
        text = " ".join(bound.text.decode().split())
        table = next((name for name in ("facts", "statuses", "jobs", "coordination") if f".{name}" in text), "none")
        # What is not logged, and what says so itself, is committed without the disk.
        is_durable = not text.startswith("SELECT") and "'synchronous_commit'" not in text and table != "coordination"
        self.counted["commit" if is_durable else "statement"] += 1
        return self._run(bound)


async def counts_of(place: Place, flow: FlowBuilder, runs: int) -> Mapping[str, int]:
    """What so many runs at once take, on a worker that has run the flow before."""
    async with place.backend() as backend:
        worker = Worker(backend, FlowRuntime([flow]), concurrency=64, prefetch=64, reconcile=False)
        working, client = asyncio.ensure_future(worker.run()), Client(backend, flows=[flow])
        await client.wait((await client.start(flow)).run_id, timeout=60)
        while not backend._listener.hears:  # noqa: ASYNC110 - it depends on a server
            await asyncio.sleep(0.01)
        counting = Counting(backend)
        await asyncio.gather(*(client.start(flow) for _ in range(runs)))
        while await place.ask("SELECT FROM flowcraft.statuses WHERE state = 'running'"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        worker.stop()
        await working
    return counting.counted


@pytest.mark.parametrize("length", [1, 20])
async def test_a_chain_waits_for_a_commit_a_step_and_one_to_begin_and_one_to_end(place: Place, length: int) -> None:
    counted = await counts_of(place, chain(length), 1)
    assert counted["commit"] == length + 2
    # It is told of and received, looked at as a new run, and its message removed.
    assert counted["statement"] <= 6


async def test_chains_at_once_share_their_commits(place: Place) -> None:
    runs, length = 50, 10
    counted = await counts_of(place, chain(length), runs)
    assert counted["commit"] <= runs * (length + 2) / 4
