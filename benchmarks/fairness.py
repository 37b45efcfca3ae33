"""``fairness``: how long a small run takes alone, and beside a huge batch, with and without a queue of its own."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from flowcraft_core import FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_sqlite import SqliteBackend

HELP = "the latency of a small run alone and beside a huge batch, with and without a queue of its own, on SQLite"
SHORT = (("--items", "10000"),)

_STEPS = 3
_RUNS = 9
#: Beside a batch, on a queue of its own, a small run may take so many times as long as alone, or so many seconds.
_SLOWER, _SECONDS = 20.0, 2.0
_POLL = 0.002


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command line may say."""
    parser.add_argument("--items", type=int, default=100_000, metavar="N", help="how many items the batch has")
    parser.add_argument(
        "--patience", type=float, default=30.0, metavar="SECONDS", help="after which a small run is waited for no more"
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure, print line by line, and give the figures."""
    sizes = sorted({max(options.items // 10, 1), options.items})
    alone = asyncio.run(_measure(0, "urgent", options.patience))
    rows: list[dict[str, Any]] = []
    for items in sizes:
        for queue in ("urgent", None):
            took = asyncio.run(_measure(items, queue, options.patience))
            rows.append({"items": items, "own_queue": queue is not None, **took})
    bound = max(_SLOWER * alone["latency_ms"], _SECONDS * 1000)
    ok = all(row["latency_ms"] <= bound and row["in_time"] for row in rows if row["own_queue"])
    print(f"{_STEPS} steps alone: {alone['latency_ms']:.1f} ms; allowed are {bound:,.0f}")
    for row in rows:
        where = "on a queue of its own" if row["own_queue"] else "on the same queue"
        lasted = f"{row['latency_ms']:.1f} ms" if row["in_time"] else f"more than {row['latency_ms'] / 1000:g} s"
        print(f"beside a batch of {row['items']:,}, {where}: {lasted}; {row['items_beside']:,} items were run by then")
    return {"ok": ok, "alone_ms": alone["latency_ms"], "bound_ms": bound, "steps": _STEPS, "runs": _RUNS, "rows": rows}


async def _measure(items: int, queue: str | None, patience: float) -> dict[str, Any]:
    """The middle latency of small runs, one after the other, for as long as a batch of so many items is under way."""
    done, is_under_way = 0, asyncio.Event()

    async def note(ctx: NodeContext[Any, Any]) -> None:
        nonlocal done
        done += 1
        if done == min(items, 10):
            is_under_way.set()

    async def many(ctx: NodeContext[Any, Any]) -> list[int]:
        return list(range(items))

    huge = create_flow("huge").node("list", many).batch("items", note).edge("list", "items")
    small = create_flow("small").node("s0", note)
    for place in range(1, _STEPS):
        small.node(f"s{place}", note).edge(f"s{place - 1}", f"s{place}")
    with tempfile.TemporaryDirectory() as folder:
        async with SqliteBackend(Path(folder) / "runs.db", synchronous="normal") as backend:
            client = Client(backend, flows=[huge, small])
            worker = Worker(backend, FlowRuntime([huge, small]), queues=("urgent", "default"), reconcile=False)
            working = asyncio.ensure_future(worker.run())
            if items:
                await client.start(huge, run_id="huge")
                await is_under_way.wait()  # its jobs are all there then, and some are done
            took: list[float] = []
            in_time, before, beside = True, done, 0
            for number in range(_RUNS):
                began = time.perf_counter()
                await client.start(small, run_id=f"small {number}", queue=queue)
                try:
                    await client.wait(f"small {number}", timeout=patience, poll=_POLL)
                except TimeoutError:
                    in_time = False
                took.append(time.perf_counter() - began)
                beside = done - before - _STEPS * len(took)
                if not in_time:
                    took = [patience]
                if not in_time or (items and beside + before >= items):
                    break  # what is measured then is not beside the batch any more
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
    latency, spread = 1000 * statistics.median(took), [1000 * min(took), 1000 * max(took)]
    return {"latency_ms": latency, "spread_ms": spread, "in_time": in_time, "items_beside": max(0, beside)}
