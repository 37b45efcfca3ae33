"""``durable``: how fast runs are on SQLite at full durability, beside what SQLite itself takes in the same minute."""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from flowcraft_core import Event, FlowBuilder, FlowRuntime
from flowcraft_core.durable import Client, Worker
from flowcraft_sqlite import SqliteBackend
from shapes import awaited_step, flow_of

HELP = "durable runs on SQLite, with write-ahead log and full sync"

_COMMITS = 2_000
_CHAIN, _CHAINS, _FAN = 20, 100, 202
_WARM_UP = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command line may say."""
    parser.add_argument("--repeat", type=int, default=20, metavar="N", help="measure so often, and keep the best")
    parser.add_argument("--folder", help="where the files lie; a temporary folder by default")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure, print line by line, and give the figures."""
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


class _Ends:
    """Takes the worker's events, and says when all runs that were started have ended; polling would disturb them."""

    def __init__(self) -> None:
        self.states: dict[str, str | None] = {}
        self.all_ended = asyncio.Event()
        self._expected = 0

    def expect(self, runs: int) -> None:
        self.states.clear()
        self.all_ended.clear()
        self._expected = runs

    def __call__(self, event: Event) -> None:
        if event.kind == "ended":
            self.states[event.run_id] = event.detail
            if len(self.states) == self._expected:
                self.all_ended.set()


async def _measure(folder: Path, repeat: int) -> dict[str, float]:
    chain, fan = flow_of("chain", _CHAIN, awaited_step), flow_of("fan", _FAN, awaited_step)
    async with SqliteBackend(folder / "runs.db") as backend:
        ends = _Ends()
        runtime = FlowRuntime([chain, fan], events=ends)
        worker = Worker(backend, runtime, concurrency=64, prefetch=64, reconcile=False)
        working = asyncio.ensure_future(worker.run())
        client = Client(backend)

        async def run_all(flow: FlowBuilder, count: int) -> None:
            ends.expect(count)
            started = await asyncio.gather(*(client.start(flow) for _ in range(count)))
            await ends.all_ended.wait()
            if (state := ends.states[started[0].run_id]) != "completed" or len(set(ends.states.values())) > 1:
                raise RuntimeError(f"run {started[0].run_id} of {flow.id}: {state}")

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
