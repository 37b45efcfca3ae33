"""``durable``: how fast runs are at full durability, beside what the database itself takes in the same minute."""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from flowcraft_core import FlowBuilder, FlowRuntime
from flowcraft_core.durable import Client, Worker
from flowcraft_sqlite import SqliteBackend
from run_ends import RunEnds
from shapes import awaited_step, flow_of

HELP = "durable runs on SQLite with full sync, or on PostgreSQL beside DBOS"
SHORT = (("--repeat", "8"), ("--backend", "postgres", "--rounds", "2"))

_COMMITS = 2_000
_CHAIN, _CHAINS, _FAN = 20, 100, 202
_WARM_UP = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command line may say."""
    parser.add_argument("--backend", choices=["sqlite", "postgres"], default="sqlite", help="where the runs live")
    parser.add_argument("--repeat", type=int, default=20, metavar="N", help="sqlite: measure so often, keep the best")
    parser.add_argument("--folder", help="sqlite: where the files lie; a temporary folder by default")
    parser.add_argument(
        "--rounds", type=int, default=5, metavar="N", help="postgres: measure so often, take the middle"
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure, print line by line, and give the figures."""
    if options.backend == "postgres":
        import durable_postgres  # noqa: PLC0415 - the helpers of the integration tests need not be there for the rest

        return durable_postgres.run(options.rounds)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        floor = _commits_per_s(Path(folder))
        figures = asyncio.run(_measure(Path(folder), options.repeat))
    answer = {
        "ok": True,
        "chain_ms": figures["chain"] * 1000,
        "chains_steps_per_s": _CHAINS * _CHAIN / figures["chains"],
        "fan_ms": figures["fan"] * 1000,
        "sqlite_commits_per_s": floor,
        # A chain cannot be faster than its commits, one after the other.
        "chain_floor_ms": _CHAIN / floor * 1000,
    }
    answer["chain_to_floor"] = answer["chain_ms"] / answer["chain_floor_ms"]
    print(f"sqlite3 by itself: {floor:,.0f} commits/s, one row each, write-ahead log and full sync")
    print(f"a chain of {_CHAIN}: {answer['chain_ms']:.1f} ms, {answer['chain_to_floor']:.1f} times the bare commits")
    print(f"{_CHAINS} chains of {_CHAIN} at once: {answer['chains_steps_per_s']:,.0f} steps/s")
    print(f"one, then {_FAN - 2} side by side, then one: {answer['fan_ms']:.1f} ms")
    return answer


def _commits_per_s(folder: Path) -> float:
    connection = sqlite3.connect(folder / "floor.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE facts (key INTEGER PRIMARY KEY, body BLOB)")
    body = b"x" * 180
    began = time.perf_counter()
    for key in range(_COMMITS):
        connection.execute("INSERT INTO facts VALUES (?, ?)", (key, body))
    elapsed = time.perf_counter() - began
    connection.close()
    return _COMMITS / elapsed


async def _measure(folder: Path, repeat: int) -> dict[str, float]:
    chain, fan = flow_of("chain", _CHAIN, awaited_step), flow_of("fan", _FAN, awaited_step)
    async with SqliteBackend(folder / "runs.db") as backend:
        ends = RunEnds()
        runtime = FlowRuntime([chain, fan], events=ends)
        worker = Worker(backend, runtime, concurrency=64, prefetch=64, reconcile=False)
        working = asyncio.ensure_future(worker.run())
        client = Client(backend)

        async def run_all(flow: FlowBuilder, count: int) -> None:
            ends.expect(count)
            await asyncio.gather(*(client.start(flow) for _ in range(count)))
            await ends.all_ended.wait()
            ends.require("completed")

        # While a new file's log grows for the first time, a sync takes twice as long as when it is written over later.
        for _ in range(_WARM_UP):
            await run_all(chain, 1)
        figures = {
            "chain": await _best(lambda: run_all(chain, 1), repeat),
            "chains": await _best(lambda: run_all(chain, _CHAINS), max(1, repeat // 4)),
            "fan": await _best(lambda: run_all(fan, 1), max(1, repeat // 2)),
        }
        worker.stop()
        await working
    return figures


async def _best(once: Callable[[], Awaitable[None]], repeat: int) -> float:
    """Seconds of the fastest try: what disturbs a try only ever makes it longer."""
    best = float("inf")
    for _ in range(repeat):
        began = time.perf_counter()
        await once()
        best = min(best, time.perf_counter() - began)
    return best
